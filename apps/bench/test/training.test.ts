/** The trainings that are measured: each kind runs, figures belong together, and the report says what there was. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatTrainingReport, selectCfCases } from '../src/commands/training';
import { type CfCase, type CfResult, caseName, cfCases, measureCf } from '../src/training/cf';

const tiny = { rows: 90, users: 12, items: 20, cfDim: 8, batchSize: 40, setting: 'tiny' };

describe('trainings', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  it.each(['mf', 'lightgcn', 'sasrec'] as const)('measures %s and leaves nothing behind', async (model) => {
    const of: CfCase = { ...tiny, model, learningRate: 0.01, weightDecay: 0 };
    const result = await measureCf(device, of, { epochs: 1, seed: 1 });
    expect(result.name).toBe(`cf ${model} tiny`);
    expect(result.shape).toBe('90 rows, 12 users, 20 items, width 8, batch 40');
    expect(result.ms).toBeCloseTo(1000 * result.secondsPerEpoch, 6);
    expect(result.interactionsPerSecond * result.secondsPerEpoch).toBeCloseTo(90, 6);
    if (device.capabilities.timestamps) {
      expect(result.outsideKernels).toBeGreaterThan(0);
      expect(result.outsideKernels).toBeLessThan(1);
    } else expect(result.outsideKernels).toBeNull();
    expect(device.memory.report().persistent).toEqual({});
    expect(device.recorder.profiler).toBeNull();
  });
});

it('selects by name and shape, and names each case once', () => {
  const names = cfCases.map(caseName);
  expect(new Set(names).size).toBe(names.length);
  expect(selectCfCases(cfCases, 'cf')).toEqual(cfCases);
  expect(selectCfCases(cfCases, 'LightGCN').map(caseName)).toEqual(['cf lightgcn published']);
  expect(selectCfCases(cfCases, 'width 512').map(caseName)).toEqual(['cf mf width 512']);
});

it('prints a line per training and what is known of PyTorch', () => {
  const machine = { system: 'Linux', cpu: 'a processor', cores: 2, memoryBytes: 1, node: '20.19.0' };
  const adapter = { name: 'llvmpipe', vendor: 'mesa', driver: 'x', type: 'software' } as const;
  const result: CfResult = {
    ...{ name: 'cf mf tiny', shape: '90 rows', dtype: 'f32', variant: 'only', ms: 1500, secondsPerEpoch: 1.5 },
    ...{ interactionsPerSecond: 22594, outsideKernels: 0.123, peers: { pytorch: 250 }, ratio: 1 / 6 },
  };
  const report = { machine, adapter, results: [result] };
  const without = formatTrainingReport({ ...report, pytorch: { reason: 'no PyTorch: No module named torch' } });
  expect(without).toMatch(/cf mf tiny +90 rows +1\.50 +22,594 +12\.3%\n\nno PyTorch: No module named torch$/);
  const beside = formatTrainingReport({ ...report, pytorch: { torch: '2.9', device: 'cpu, 2 threads' } });
  expect(beside).toMatch(/22,594 +12\.3% +0\.250\n\nPyTorch 2\.9 on cpu, 2 threads$/);
});
