/** The trainings that are measured: each kind runs, figures belong together, and the report says what there was. */
import { type Device, Profiler, summarizeProfile } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatTrainingReport, selectCfCases } from '../src/commands/training';
import { type CfCase, type CfResult, caseName, cfCases, measureCf } from '../src/training/cf';
import { type CfStepResult, cfStepWork } from '../src/training/step';

const tiny = { rows: 90, users: 12, items: 20, cfDim: 8, batchSize: 40, setting: 'tiny' };

describe('trainings', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  it.each(['mf', 'lightgcn', 'sasrec'] as const)('measures %s and leaves nothing behind', async (model) => {
    const of: CfCase = { ...tiny, model, learningRate: 0.01, weightDecay: 0 };
    const profiler = new Profiler({ steps: 2 });
    const result = await measureCf(device, of, { epochs: 1, seed: 1, profiler, validRows: 40 });
    const [first] = summarizeProfile(profiler).stages;
    expect(first).toMatchObject({ stage: 'cf', steps: 2, of: 3 });
    expect(first!.kernels.length > 0).toBe(device.capabilities.timestamps);
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

  it.each(['mf', 'lightgcn', 'sasrec'] as const)('hands a step of %s to peers with a real loss', async (model) => {
    const of: CfCase = { ...tiny, model, learningRate: 0.01, weightDecay: 0 };
    const work = cfStepWork(of).prepare(device, 1);
    const outputs = await work.check();
    const { inputs } = work;
    expect(inputs.users!.data).toHaveLength(40);
    const gradients = Object.entries(outputs).filter(([name]) => name.startsWith('gradient:'));
    for (const [name, { shape, data }] of gradients) {
      expect(inputs[name.slice('gradient:'.length)]!.shape).toEqual(shape);
      expect(data.some((value) => value !== 0)).toBe(true);
    }
    if (model === 'mf') {
      // The loss of these values and rows, computed here.
      const at = (table: string, id: number, column: number) =>
        inputs[`${table}_embedding.weight`]!.data[id * 8 + column]!;
      const losses = [...inputs.labels!.data].map((label, row) => {
        let logit = 0;
        for (let column = 0; column < 8; column++) {
          logit += at('user', inputs.users!.data[row]!, column) * at('item', inputs.items!.data[row]!, column);
        }
        return Math.log1p(Math.exp(logit)) - label * logit;
      });
      expect(outputs.loss!.data[0]).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 40, 5);
    }
    if (model === 'lightgcn') expect(inputs.edgeUsers!.data.length).toBe(inputs.edgeItems!.data.length);
    if (model === 'sasrec') {
      expect(gradients.map(([name]) => name)).toContain('gradient:blocks.1.query.bias');
      expect(gradients.map(([name]) => name)).not.toContain('gradient:blocks.1.key.bias');
      // Row 1 has a history of seven items, on the right.
      const row = [...inputs.histories!.data.subarray(25, 50)];
      expect(row.map((item) => item > 0)).toEqual(row.map((_, place) => place >= 18));
    }
    expect(await work.time(1)).toBeGreaterThan(0);
    work.release();
    expect(device.memory.report().persistent).toEqual({});
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
    ...{ interactionsPerSecond: 22594, outsideKernels: 0.123, peers: {}, ratio: null },
  };
  const step: CfStepResult = {
    ...{ name: 'cf mf tiny step', shape: '90 rows', dtype: 'f32', variant: 'only', ms: 16, peers: { pytorch: 8 } },
    ...{ ratio: 0.5, fastestRatio: null, processorRatio: null, ratios: {}, details: {}, ways: {}, rounds: {} },
    ...{ peerErrors: { pytorch: 2e-7 }, referenceError: null },
  };
  const report = { machine, adapter, results: [result] };
  const without = formatTrainingReport({ ...report, pytorch: { reason: 'no PyTorch: No module named torch' } });
  expect(without).toMatch(/cf mf tiny +90 rows +1\.50 +22,594 +12\.3%\n\nno PyTorch: No module named torch$/);
  const pytorch = { torch: '2.9', device: 'cpu, 2 threads' };
  const wrong = { ...step, name: 'cf sasrec step', peers: {}, ratio: null, message: 'pytorch: differs from ours' };
  const beside = formatTrainingReport({ ...report, results: [result, step, wrong], pytorch });
  expect(beside).toContain(without.split('\n').slice(0, -1).join('\n'));
  expect(beside).toMatch(/cf mf tiny step +16\.0 +8\.00 +0\.500 +2\.0e-7/);
  expect(beside).toMatch(/cf sasrec step +16\.0 +- +- +2\.0e-7 +pytorch: differs from ours/);
  expect(beside).toMatch(/PyTorch 2\.9 on cpu, 2 threads$/);
});
