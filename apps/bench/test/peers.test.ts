/** Peers: cases reach PyTorch's side as files, its answers are joined, and nothing is timed that differs. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatReport, type KernelsReport } from '../src/commands/kernels';
import { peerCases } from '../src/peers/cases';
import { findTorch, TorchRun } from '../src/peers/pytorch';
import { joinResult, runPeerCases, selectPeerCases } from '../src/peers/run';
import type { PeerCase } from '../src/peers/work';
import { cfCases } from '../src/training/cf';
import { cfStepWork, measureCfStep } from '../src/training/step';

const folder = mkdtempSync(join(tmpdir(), 'crossgate-fake-python-'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A python3 that answers as the script does. It multiplies matrices itself, so files and layouts are checked. */
const fake = `#!${process.execPath}
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const [script, argument] = process.argv.slice(2);
if (!script.endsWith('pytorch.py')) process.exit(9);
if (argument === '--probe') {
  if (process.env.FAKE_TORCH === 'none') { console.error("Traceback\\nModuleNotFoundError: No module named 'torch'"); process.exit(1); }
  console.log(JSON.stringify({ torch: '9.9', device: 'fake GPU' }));
  process.exit(0);
}
const cases = JSON.parse(readFileSync(join(argument, 'cases.json'), 'utf8'));
const load = ({ file, shape, dtype }) => {
  const bytes = readFileSync(join(argument, file));
  const array = new (dtype === 'f32' ? Float32Array : Int32Array)(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  if (array.length !== shape.reduce((a, b) => a * b, 1)) throw new Error(file + ': wrong size');
  return array;
};
for (const { id, op, dtypes, inputs, outputs } of cases) {
  for (const array of [...Object.values(inputs), ...Object.values(outputs)]) load(array);
  let error = 0;
  if (op === 'matmul') {
    const [a, b, out] = [load(inputs.a), load(inputs.b), load(outputs.out)];
    const [[m, k], [n]] = [inputs.a.shape, inputs.b.shape];
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let q = 0; q < k; q++) sum += a[i * k + q] * b[j * k + q];
      error = Math.max(error, Math.abs(sum - out[i * n + j]));
    }
  }
  for (const dtype of dtypes) {
    if (process.env.FAKE_TORCH === 'dies' && op !== 'matmul') { console.error('out of memory'); process.exit(1); }
    if (op === 'adamw') console.log(JSON.stringify({ id, dtype, ms: null, error: 0.5, message: 'differs from ours' }));
    else console.log(JSON.stringify({ id, dtype, ms: dtype === 'f32' ? 0.5 : 0.25, error }));
  }
}
`;

beforeAll(() => {
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
  writeFileSync(join(folder, 'python3'), fake);
  chmodSync(join(folder, 'python3'), 0o755);
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
});

const ceilings = { fma: { gflops: 100 }, copy: { gbps: 10 } } as never;

describe('the cases', () => {
  it('are the same work in both sizes, each with an id of its own', () => {
    for (const software of [true, false]) {
      const cases = peerCases(software);
      expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
      expect(new Set(cases.map(({ op }) => op))).toEqual(
        new Set(['matmul', 'attention', 'attentionBackward', 'adamw', 'loraStep']),
      );
      for (const { work } of cases) expect(Object.values(work)[0]).toBeGreaterThan(0);
    }
  });

  it('are chosen by name and shape', () => {
    expect(selectPeerCases(peerCases(false), 'LoRA').map(({ op }) => op)).toEqual(['matmul', 'loraStep']);
    expect(selectPeerCases(peerCases(false), 'attention')).toHaveLength(2);
    expect(selectPeerCases(peerCases(false), 'warp drive')).toEqual([]);
  });

  it('are all known to the script', () => {
    const path = fileURLToPath(new URL('../src/peers/pytorch.py', import.meta.url));
    const table = /^OPERATIONS = \{([\s\S]*?)^\}/m.exec(readFileSync(path, 'utf8'))![1]!;
    const known = [...table.matchAll(/"(\w+)":/g)].map((match) => match[1]);
    const used = [...peerCases(true), ...cfCases.map(cfStepWork)].map(({ op }) => op);
    expect(known.sort()).toEqual([...new Set(used)].sort());
  });
});

describe('joining', () => {
  const peerCase = peerCases(true).find(({ op }) => op === 'matmul') as PeerCase;
  const capabilities = { capabilities: { software: true, limits: {} } } as never;

  it('sets PyTorch beside ours', () => {
    const answer = { id: peerCase.id, dtype: 'f32', ms: 2, error: 1e-7 } as const;
    const gflops = (2 * 256 ** 3) / 4 / 1e6;
    expect(joinResult(capabilities, peerCase, 4, 'f32', answer, ceilings)).toEqual({
      ...{ name: 'matmul', kernel: 'matmul', shape: '256x256x256 A·Bᵀ', dtype: 'f32', variant: 'software', ms: 4 },
      ...{
        gflops,
        ceiling: 100,
        ofCeiling: gflops / 100,
        peers: { pytorch: 2 },
        ratio: 0.5,
        peerErrors: { pytorch: 1e-7 },
      },
    });
  });

  it('says null where we have no kernel, and why a peer has no time', () => {
    const half = { id: peerCase.id, dtype: 'f16', ms: 1, error: 1e-3 } as const;
    expect(joinResult(capabilities, peerCase, null, 'f16', half, ceilings)).toMatchObject({
      ...{ ms: null, variant: 'none', ofCeiling: null, peers: { pytorch: 1 }, ratio: null },
    });
    const wrong = { id: peerCase.id, dtype: 'f32', ms: null, error: 0.5, message: 'differs' } as const;
    expect(joinResult(capabilities, peerCase, 4, 'f32', wrong, ceilings)).toMatchObject({
      ...{ peers: {}, ratio: null, peerErrors: { pytorch: 0.5 }, message: 'pytorch: differs' },
    });
    expect(joinResult(capabilities, peerCase, 4, 'f32', undefined, ceilings)).toMatchObject({ peers: {}, ratio: null });
  });
});

describe('on a device', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());
  const options = { repeats: 1, batchMilliseconds: 1 };

  it('runs every case and gives each peer what it needs', async () => {
    const cases = peerCases(true);
    const { pytorch, results } = await runPeerCases(device, cases, ceilings, options);
    expect(pytorch).toEqual({ torch: '9.9', device: 'fake GPU' });
    expect(results.map(({ name, dtype }) => `${name} ${dtype}`)).toEqual([
      ...['matmul f32', 'matmul f16', 'attention f32', 'attention f16', 'attentionBackward f32'],
      ...['attentionBackward f16', 'adam f32', 'loraStep f32', 'loraStep f16'],
    ]);
    for (const { name, dtype, ms, peers, ratio } of results) {
      if (dtype === 'f16') expect({ ms, peers, ratio }).toEqual({ ms: null, peers: { pytorch: 0.25 }, ratio: null });
      else if (name === 'adam') expect(peers).toEqual({});
      else expect(ratio).toBeCloseTo(0.5 / ms!, 10);
    }
    // The fake multiplied the files itself: sums of 256 products of numbers below 1.
    expect(results[0]!.peerErrors.pytorch).toBeGreaterThan(0);
    expect(results[0]!.peerErrors.pytorch).toBeLessThan(1e-4);
    expect(results.find(({ name }) => name === 'adam')!.message).toBe('pytorch: differs from ours');
    const report = {
      machine: {},
      adapter: {},
      ceilings: { fma: {}, copy: {}, copies: [] },
      clock: 'wall',
      results,
      pytorch,
    };
    const text = formatReport(report as unknown as KernelsReport);
    expect(text).toMatch(/PyTorch ms/);
    expect(text).toContain('PyTorch 9.9 on fake GPU');
    expect(text).toContain('differs from ours');
  });

  it('hands over a LoRA step whose loss and gradients are real', async () => {
    const lora = peerCases(true).find(({ op }) => op === 'loraStep')!;
    const prepared = lora.prepare(device, 1);
    const first = await prepared.check();
    // Random weights: near the loss of a guess among 256 tokens.
    expect(first.loss!.data[0]).toBeGreaterThan(3);
    expect(first.loss!.data[0]).toBeLessThan(12);
    const gradients = Object.entries(first).filter(([name]) => name.startsWith('gradient:'));
    expect(gradients).toHaveLength(2 * 2 * 2);
    for (const [name, { shape, data }] of gradients) {
      expect(prepared.inputs[name.slice('gradient:'.length)]!.shape).toEqual(shape);
      expect(data.some((value) => value !== 0)).toBe(true);
    }
    prepared.record();
    expect((await prepared.check()).loss!.data[0]).not.toBe(first.loss!.data[0]);
    prepared.release();
  });

  it('sets a step of a training beside PyTorch', async () => {
    const sizes = { rows: 90, users: 12, items: 20, cfDim: 8, batchSize: 40, learningRate: 0.01, weightDecay: 0 };
    const torch = { torch: '9.9', device: 'fake GPU' };
    const of = { ...sizes, model: 'mf', setting: 'tiny' } as const;
    const result = await measureCfStep(device, of, torch, { epochs: 1, seed: 1 });
    expect(result).toMatchObject({ name: 'cf mf tiny step', dtype: 'f32', variant: 'only', peers: { pytorch: 0.5 } });
    expect(result.ratio).toBeCloseTo(0.5 / result.ms, 10);
  });

  it('leaves nothing on the device', async () => {
    // What waits in the pool for the next step is the device's own affair.
    const held = () => {
      const { persistent, step } = device.memory.report();
      return { persistent, step: step.current };
    };
    const before = held();
    for (const peerCase of peerCases(true)) peerCase.prepare(device, 1).release();
    await device.recorder.synchronize();
    expect(held()).toEqual(before);
  });

  it('stands alone without torch, and keeps what a script that dies had said', async () => {
    const cases = peerCases(true).filter(({ op }) => op === 'matmul' || op === 'attention');
    vi.stubEnv('FAKE_TORCH', 'none');
    const alone = await runPeerCases(device, cases, ceilings, options);
    expect(alone.pytorch).toEqual({ reason: "no PyTorch: ModuleNotFoundError: No module named 'torch'" });
    expect(alone.results.map(({ dtype, peers }) => ({ dtype, peers }))).toEqual([
      { dtype: 'f32', peers: {} },
      { dtype: 'f32', peers: {} },
    ]);
    vi.stubEnv('FAKE_TORCH', 'dies');
    const { results } = await runPeerCases(device, cases, ceilings, options);
    expect(results.map(({ peers }) => peers.pytorch)).toEqual([0.5, 0.25, undefined, undefined]);
    expect(results[3]!.message).toBe('pytorch: pytorch.py ended before this case: out of memory');
    vi.stubEnv('FAKE_TORCH', '');
  });
});

it('removes its files', async () => {
  const run = await TorchRun.create();
  const data = Float32Array.of(1, 2);
  await run.add(peerCases(true)[0]!, { a: { shape: [2], data } }, {});
  expect(existsSync(run.folder)).toBe(true);
  await run.remove();
  expect(existsSync(run.folder)).toBe(false);
  await expect(findTorch(AbortSignal.abort())).rejects.toThrow('interrupted');
});
