/** Peers on a device: inputs reach them as files, results are compared, and nothing is timed that differs. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { peerCases } from '../src/peers/cases';
import { Peer, pythonPeer } from '../src/peers/peer';
import { runPeerCases } from '../src/peers/run';
import type { PeerCase } from '../src/peers/work';
import { measureCfStep } from '../src/training/step';
import { fakePeer } from './fake-peer';

const folder = mkdtempSync(join(tmpdir(), 'crossgate-fake-python-'));
const script = join(folder, 'fake.cjs');

beforeAll(() => {
  // A python3 that is one of our peers: what is started by its name is the script, whose arguments follow.
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
  writeFileSync(script, fakePeer);
  writeFileSync(join(folder, 'python3'), `#!${process.execPath}\n${fakePeer}`);
  chmodSync(join(folder, 'python3'), 0o755);
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const ceilings = { fma: { gflops: 100 }, copy: { gbps: 10 } } as never;
const options = { repeats: 2, batchMilliseconds: 0 };
const fake = (name: string, mode: string, webgpu = true) =>
  new Peer({ name, file: process.execPath, args: [script, mode] }, { webgpu, halves: !webgpu, seconds: 20 });

describe('on a device', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());
  const caseOf = (op: string) => peerCases(true).find((each) => each.op === op) as PeerCase;

  it('times what agrees, and says of everything else why it has no time', async () => {
    const peers = [fake('good', 'good'), fake('wrong', 'wrong'), fake('dies', 'dies'), fake('absent', 'absent')];
    const { peers: statuses, results } = await runPeerCases(
      device,
      [caseOf('layerNorm'), caseOf('rmsNorm')],
      { peers: [...peers, fake('half', 'good', false)] },
      ceilings,
      options,
    );
    expect(statuses).toContainEqual({ name: 'good', version: '9.9', device: 'fake GPU' });
    expect(statuses).toContainEqual({ name: 'absent', reason: 'nothing here' });
    const [norm, rms] = results;
    expect(Object.keys(norm!.peers)).toEqual(['good', 'half']);
    // The fake says 2 ms for its slower way and 1 ms for the other.
    expect(norm).toMatchObject({ peers: { good: 1 }, ways: { good: 'fast' }, referenceError: null });
    expect(norm!.ratio).toBeCloseTo(1 / norm!.ms!, 10);
    expect(norm!.peerErrors.good).toBeLessThan(1e-5);
    expect(norm!.peerErrors.wrong).toBeGreaterThan(0.5);
    expect(norm!.rounds.ours).toHaveLength(2);
    expect(norm!.message).toMatch(/wrong fast: differs from ours: relative error .*, at most 0.0001/);
    expect(norm!.message).toMatch(/dies: ended with exit code 7: out of memory/);
    // The fake has no RMSNorm.
    expect(rms).toMatchObject({ peers: {}, ratio: null });
    expect(rms!.message).toContain('good: has no rmsNorm here');
    expect(rms!.ms).toBeGreaterThan(0);
  });

  it('times nobody when ours differs from the reference', async () => {
    const reference = new Peer({ name: 'float64', file: process.execPath, args: [script, 'wrong'] });
    const others = { peers: [fake('good', 'good')], reference };
    const { results } = await runPeerCases(device, [caseOf('layerNorm')], others, ceilings, options);
    expect(results[0]).toMatchObject({ ms: null, variant: 'none', peers: {}, rounds: {} });
    expect(results[0]!.message).toMatch(/^ours: differs from float64/);
    const silent = new Peer({ name: 'float64', file: process.execPath, args: [script, 'dies'] });
    const unchecked = await runPeerCases(
      device,
      [caseOf('layerNorm')],
      { peers: [], reference: silent },
      ceilings,
      options,
    );
    expect(unchecked.results[0]).toMatchObject({
      referenceError: null,
      message: expect.stringMatching(/^float64: ended/),
    });
    const short = new Peer({ name: 'float64', file: process.execPath, args: [script, 'fails'] });
    const failed = await runPeerCases(
      device,
      [caseOf('layerNorm')],
      { peers: [], reference: short },
      ceilings,
      options,
    );
    expect(failed.results[0]).toMatchObject({ referenceError: null, message: 'float64: Invalid array length' });
    expect(failed.results[0]!.ms).toBeGreaterThan(0);
  });

  it('times ours in halves where they agree with ours in f32', async () => {
    const norm = caseOf('layerNorm');
    const inHalves = (factor: number): PeerCase => ({
      ...{ ...norm, dtypes: ['f32', 'f16'] },
      prepare: (device, seed) => {
        const prepared = norm.prepare(device, seed);
        const check = async () => {
          const { out } = await prepared.check();
          return { out: { shape: out!.shape, data: out!.data.map((value) => factor * value) } };
        };
        return { ...prepared, halves: { check, record: prepared.record } };
      },
    });
    const peers = [fake('half', 'good', false)];
    const { results } = await runPeerCases(device, [inHalves(1.01), inHalves(1.1)], { peers }, ceilings, options);
    expect(results.map(({ dtype, peers }) => [dtype, peers.half])).toEqual([
      ['f32', 1],
      ['f16', 1],
      ['f32', 1],
      ['f16', 1],
    ]);
    expect(results[1]!.ms).toBeGreaterThan(0);
    expect(results[1]!.message).toBeUndefined();
    expect(results[3]).toMatchObject({ ms: null, variant: 'none' });
    expect(results[3]!.message).toMatch(/^ours: differs from ours in f32: relative error 0\.10/);
  });

  it('hands over a LoRA step whose loss and gradients are real', async () => {
    const prepared = caseOf('loraStep').prepare(device, 1);
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

  it('sets a step of a training beside python3', async () => {
    const sizes = { rows: 90, users: 12, items: 20, cfDim: 8, batchSize: 40, learningRate: 0.01, weightDecay: 0 };
    const of = { ...sizes, model: 'mf', setting: 'tiny' } as const;
    const peer = pythonPeer('pytorch');
    expect(await peer.open()).toMatchObject({ version: '9.9' });
    const result = await measureCfStep(device, of, peer, { epochs: 1, seed: 1 });
    peer.close();
    expect(result).toMatchObject({ name: 'cf mf tiny step', dtype: 'f32', variant: 'only' });
    expect(result.message).toBe('pytorch: has no mfStep here');
  });

  it('leaves nothing on the device', async () => {
    // What waits in the pool for the next step is the device's own affair.
    const held = () => {
      const { persistent, step } = device.memory.report();
      return { persistent, step: step.current };
    };
    const before = held();
    for (const { op, prepare } of peerCases(true)) if (op !== 'matmul') prepare(device, 1).release();
    await device.recorder.synchronize();
    expect(held()).toEqual(before);
  });
});
