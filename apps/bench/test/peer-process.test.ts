/** Peers without a GPU: their processes, how results are compared, turns, ratios, and where libraries come from. */
import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openNullDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatReport, type KernelsReport } from '../src/commands/kernels';
import { countingDevice } from '../src/counting/device';
import { h100 } from '../src/counting/h100';
import { compareFiles, relativeError } from '../src/peers/arrays';
import { peerCases } from '../src/peers/cases';
import { interleave } from '../src/peers/interleave';
import { findLibraries, installedFolder, installFiles, installLibraries } from '../src/peers/libraries';
import { Peer, pythonPeer } from '../src/peers/peer';
import { PeerProblem, PeerProcess } from '../src/peers/process';
import { besideCeiling, compareWork, joinResult, selectPeerCases } from '../src/peers/run';
import type { HostArray } from '../src/peers/work';
import { computeReference, sampleRows } from '../src/peers/worker/float64';
import { fakePeer } from './fake-peer';

const folder = mkdtempSync(join(tmpdir(), 'crossgate-fake-peer-'));
const script = join(folder, 'fake.cjs');
beforeAll(() => writeFileSync(script, fakePeer));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = (mode: string, seconds = 20, signal?: AbortSignal) =>
  PeerProcess.start(
    { name: mode, file: process.execPath, args: [script, mode] },
    { seconds, ...(signal && { signal }) },
  );

describe('a process of a peer', () => {
  it.each([
    ['dies', 20, 'ended with exit code 7: out of memory'],
    ['hangs', 0.3, 'gave no answer within 0.3 s'],
    ['garbles', 20, /^answered no JSON/],
    ['refuses', 20, 'no room'],
  ] as const)('that %s is a problem of its row', async (mode, seconds, message) => {
    const started = await start(mode, 20);
    if ('absent' in started) throw new Error(started.absent);
    const { peer } = started;
    Object.assign(peer, { seconds });
    const asked = peer.time('fast', 1);
    await expect(asked).rejects.toBeInstanceOf(PeerProblem);
    await expect(asked).rejects.toThrow(message);
    expect(peer.alive).toBe(mode === 'garbles' || mode === 'refuses');
    peer.kill();
  });

  it('that does not start, or says nothing, is absent with the reason', async () => {
    expect(await start('absent')).toEqual({ absent: 'nothing here' });
    expect(await start('silent', 0.3)).toEqual({ absent: 'gave no answer within 0.3 s' });
    const missing = await PeerProcess.start({ name: 'x', file: join(folder, 'no-such-program'), args: [] });
    expect(missing).toMatchObject({ absent: expect.stringMatching(/^does not start: .*ENOENT/) });
  });

  it('ends when the user stops the command', async () => {
    const stop = new AbortController();
    const started = await start('hangs', 20, stop.signal);
    const asked = (started as { peer: PeerProcess }).peer.time('fast', 1);
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    stop.abort();
    await expect(asked).rejects.toThrow('interrupted');
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  });

  it('that has ended does not listen to the user any more', async () => {
    const stop = new AbortController();
    const started = await start('dies', 20, stop.signal);
    await expect((started as { peer: PeerProcess }).peer.time('fast', 1)).rejects.toThrow('out of memory');
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  });

  it('ends when its peer is opened again', async () => {
    const peer = new Peer({ name: 'numbered', file: process.execPath, args: [script, 'numbered'] });
    const first = await peer.open();
    expect(await peer.open()).not.toEqual(first);
    const id = Number('version' in first && first.version);
    expect(id).toBeGreaterThan(0);
    await vi.waitFor(() => expect(() => process.kill(id, 0)).toThrow('ESRCH'), 10_000);
    peer.close();
  });
});

describe('pytorch.py', () => {
  it('does all that is asked of it', () => {
    const path = fileURLToPath(new URL('../src/peers/pytorch.py', import.meta.url));
    const table = /^OPERATIONS = \{([\s\S]*?)^\}/m.exec(readFileSync(path, 'utf8'))![1]!;
    const known = [...table.matchAll(/"(\w+)":/g)].map((match) => match[1]);
    for (const { op } of peerCases(true)) expect(known).toContain(op);
  });

  it('takes nothing for an answer that libraries print', async ({ skip }) => {
    try {
      execFileSync('python3', ['-c', ''], { stdio: 'ignore' });
    } catch {
      skip('there is no python3');
    }
    const torch = join(folder, 'torch');
    mkdirSync(torch);
    const lines = [
      'import os, types',
      `print('{"absent": "printed by Python"}', flush=True)`,
      `os.write(1, b'{"absent": "written by the library"}\\n')`,
      '__version__ = "7.7"',
      'cuda = types.SimpleNamespace(is_available=lambda: False)',
      'backends = types.SimpleNamespace(cuda=types.SimpleNamespace(matmul=cuda), cudnn=types.SimpleNamespace())',
      'get_num_threads = lambda: 3',
    ];
    writeFileSync(join(torch, '__init__.py'), lines.join('\n'));
    vi.stubEnv('PYTHONPATH', folder);
    const peer = pythonPeer('pytorch');
    try {
      expect(await peer.open()).toEqual({ name: 'pytorch', version: '7.7', device: 'cpu, 3 threads' });
      expect(peer.does('sasrecStep')).toBe(true);
    } finally {
      peer.close();
      vi.unstubAllEnvs();
    }
  });
});

describe('what is prepared', () => {
  it('multiplies in f16 where there are matrix units', () => {
    const seen: string[] = [];
    const of = peerCases(true)[0]!;
    const prepared = of.prepare(
      countingDevice(h100, ({ name }) => seen.push(name)),
      1,
    );
    expect(seen).toEqual(['narrow']);
    prepared.halves!.record();
    expect(seen.slice(1)).toContain('matmul-matrix');
    expect(of.variant(h100, 'f16')).toBe('matrix');
    const without = countingDevice({ ...h100, matrixConfigurations: [] }, () => {});
    expect(of.prepare(without, 1).halves).toBeUndefined();
  });

  it('leaves nothing behind when there is no room for it', async () => {
    const scratch = join(folder, 'scratch');
    mkdirSync(scratch);
    vi.stubEnv('TMPDIR', scratch);
    const device = await openNullDevice({ memoryBudget: 2 ** 18 });
    try {
      for (const op of ['matmul', 'loraStep']) {
        const work = peerCases(true).find((each) => each.op === op)!;
        const nobody = () => ({ name: 'ours', time: () => Promise.reject(new Error('is not timed')) });
        await expect(compareWork(device, work, { peers: [] }, nobody)).rejects.toThrow(/do not fit/);
        const { persistent, step } = device.memory.report();
        expect({ persistent, step: step.current }).toEqual({ persistent: {}, step: 0 });
      }
      expect(readdirSync(scratch)).toEqual([]);
      // The failed cases have left no step open.
      device.step().end();
    } finally {
      vi.unstubAllEnvs();
      await device.destroy();
    }
  });
});

describe('a reference of some rows', () => {
  const array = (shape: number[], seed: number): HostArray => {
    const count = shape.reduce((product, length) => product * length, 1);
    return { shape, data: Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * i)) };
  };
  const attention = { query: array([5, 3, 2, 4], 1), key: array([5, 3, 2, 4], 2), value: array([5, 3, 2, 4], 3) };

  it('has the first, the last and one of each part between', () => {
    const rows = sampleRows(1000, 12);
    expect(rows[0]).toBe(0);
    expect(rows.at(-1)).toBe(999);
    expect(rows.slice(1, -1).map((row) => Math.floor(row / 100))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sampleRows(1000, 0.3)).toEqual([0, 999]);
    expect(sampleRows(1, 0.3)).toEqual([0]);
  });

  it.each([
    ['matmul', { a: array([9, 4], 1), b: array([4, 5], 2) }, 5 * 4 * 5],
    ['softmax', { x: array([9, 5], 1) }, 5 * 8 * 5],
    ['attentionBackward', { ...attention, gradOut: array([5, 3, 2, 4], 4) }, 3 * 4 * 3 ** 2 * 2 * 4],
  ] as const)('is that of all rows of %s, there', async (op, inputs, work) => {
    const whole = computeReference(op, { transposeB: 0 }, inputs);
    const some = computeReference(op, { transposeB: 0 }, inputs, work);
    for (const [name, { shape, data, rows }] of Object.entries(whole)) {
      expect(rows).toBeUndefined();
      const { data: part, rows: chosen } = some[name]!;
      const length = data.length / inputsRows(inputs);
      expect(chosen!.length).toBeLessThan(inputsRows(inputs));
      for (const [place, row] of chosen!.entries()) {
        const expected = data.subarray(row * length, (row + 1) * length);
        expect(part.subarray(place * length, (place + 1) * length)).toEqual(expected);
      }
      // The same comparison that ours gets.
      writeFileSync(join(folder, 'some.bin'), part);
      const file = { file: 'some.bin', shape, dtype: 'f64', rows: chosen! } as const;
      const ours = { shape: [inputsRows(inputs), length], data: Float32Array.from(data) };
      expect(await compareFiles(folder, { [name]: file }, { [name]: ours })).toBeLessThan(1e-7);
      ours.data[ours.data.length - 1]! += 1;
      expect(await compareFiles(folder, { [name]: file }, { [name]: ours })).toBeGreaterThan(1e-3);
    }
  });
});

const inputsRows = (inputs: Readonly<Record<string, HostArray>>) => (inputs.a ?? inputs.x ?? inputs.query)!.shape[0]!;

it('compares in the Euclidean norm, and a result that is no number never agrees', () => {
  expect(relativeError([3, 4], [3, 4])).toBe(0);
  expect(relativeError([3, 5], [3, 4])).toBeCloseTo(1 / 5, 12);
  expect(relativeError([Number.NaN, 4], [3, 4])).toBeNaN();
});

it('gives everybody a turn in each round, and goes on without one that fails', async () => {
  const order: string[] = [];
  const of = (name: string, ms: number, fails = 99) => {
    let batches = 0;
    return {
      name,
      time: (calls: number) => {
        order.push(`${name}${calls}`);
        if (++batches > fails) return Promise.reject(new PeerProblem('lost its device'));
        return Promise.resolve({ ms: ms * calls, processor: calls });
      },
    };
  };
  const { rounds, failed } = await interleave([of('a', 5), of('b', 10), of('c', 1, 3)], { repeats: 2 });
  expect(order.join(' ')).toBe('a1 a1 b1 b1 c1 c1 a4 b2 c20 b2 c20 a4');
  expect(rounds).toEqual({
    a: [
      { ms: 5, processor: 1 },
      { ms: 5, processor: 1 },
    ],
    b: [
      { ms: 10, processor: 1 },
      { ms: 10, processor: 1 },
    ],
  });
  expect(failed).toEqual({ c: 'lost its device' });
  const broken = { name: 'ours', time: () => Promise.reject(new TypeError('a fault of ours')) };
  await expect(interleave([broken])).rejects.toThrow('a fault of ours');
});

describe('a row', () => {
  const matmul = peerCases(true)[0]!;
  const samples = (...ms: number[]) => ms.map((each) => ({ ms: each, processor: 2 * each }));
  const findings = {
    rounds: {
      ours: samples(2, 1, 3),
      'tfjs eager': samples(9, 8, 7),
      'jax-js eager': samples(20),
      'jax-js jit': samples(6),
    },
    ...{ failed: {}, errors: { tfjs: 1e-7 }, problems: { peft: 'has no matmul here' }, referenceError: 2e-7 },
  };
  const webgpu = (name: string) => ({ name, options: { webgpu: true } });
  const asked = [webgpu('tfjs'), webgpu('jax-js'), { name: 'pytorch', options: {} }];

  it('has medians, the fastest way, and ratios to the fastest WebGPU peer', () => {
    const rounds = { ...findings.rounds, 'pytorch eager': samples(1) };
    const row = joinResult(matmul, 'f32', asked, { ...findings, rounds });
    expect(row).toMatchObject({
      ...{ ms: 2, peers: { tfjs: 8, 'jax-js': 6, pytorch: 1 }, ways: { tfjs: 'eager', 'jax-js': 'jit' } },
      ...{ ratio: 3, fastestRatio: 6, processorRatio: 3, ratios: { tfjs: 4, 'jax-js': 3, pytorch: 0.5 } },
      ...{ referenceError: 2e-7, message: 'peft: has no matmul here' },
    });
    const gpu = { capabilities: { software: true, limits: {} } } as never;
    const beside = besideCeiling(gpu, matmul, row, { fma: { gflops: 1000 }, copy: { gbps: 1 } } as never);
    const gflops = (2 * 512 ** 3) / 2 / 1e6;
    expect(beside).toMatchObject({ gflops, ofCeiling: gflops / 1000, variant: 'software' });
    const report = {
      ...{ machine: {}, adapter: {}, ceilings: { fma: {}, copy: {}, copies: [] }, clock: 'wall', results: [beside] },
      peers: [
        { name: 'tfjs', version: '4.22.0', device: 'llvmpipe' },
        { name: 'peft', reason: 'no torch' },
      ],
    };
    const text = formatReport(report as unknown as KernelsReport);
    expect(text).toMatch(/matmul +512x512x512 A·B +software +2\.00 .* 8\.00 +3\.00x +6\.00x +3\.00x/);
    expect(text).toContain('tfjs 4.22.0 on llvmpipe\nno peft: no torch');
    expect(text).toContain('matmul 512x512x512 A·B f32: peft: has no matmul here');
  });

  it('of a type that we lack has no ratio', () => {
    const row = joinResult(matmul, 'f16', asked, { ...findings, rounds: { 'pytorch eager': samples(1) } });
    expect(row).toMatchObject({ ms: null, ratio: null, ratios: {}, peers: { pytorch: 1 } });
  });

  it('is chosen by name and shape, and has an id of its own', () => {
    expect(selectPeerCases(peerCases(false), 'LoRA').map(({ op }) => op)).toEqual(['matmul', 'loraStep']);
    expect(selectPeerCases(peerCases(true), '1024x').map(({ op }) => op)).toEqual(['matmul']);
    for (const software of [true, false]) {
      const ids = peerCases(software).map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });
});

describe('libraries', () => {
  const place = { env: { CROSSGATE_CACHE: join(folder, 'cache') }, cwd: folder };

  it('are pinned, each with a digest', () => {
    const lock = JSON.parse(installFiles()['package-lock.json']) as {
      packages: Record<string, { version: string; integrity?: string; dependencies?: Record<string, string> }>;
    };
    const { '': root, ...packages } = lock.packages;
    expect(Object.values(root!.dependencies!).every((version) => /^\d+\.\d+\.\d+$/.test(version))).toBe(true);
    for (const { integrity, dependencies = {} } of Object.values(packages)) {
      expect(integrity).toMatch(/^sha512-/);
      for (const name of Object.keys(dependencies)) expect(packages).toHaveProperty([`node_modules/${name}`]);
    }
  });

  it('are found where the user says, else where they were installed', async () => {
    expect(await findLibraries(place)).toBeUndefined();
    await expect(findLibraries(place, 'none')).rejects.toThrow(/none: --peers-from: no .*; npm install @jax-js\/jax@/);
    mkdirSync(join(folder, 'own', 'node_modules', '@jax-js', 'jax'), { recursive: true });
    expect(await findLibraries(place, 'own')).toBe(join(folder, 'own'));
  });

  it.skipIf(process.platform === 'win32')('are installed whole or not at all, by npm', async () => {
    const npm = (body: string) => {
      writeFileSync(join(folder, 'npm'), `#!/bin/sh\n${body}\n`);
      chmodSync(join(folder, 'npm'), 0o755);
      return { ...place, env: { ...place.env, PATH: `${folder}:/bin:/usr/bin`, npm_config_prefix: '/elsewhere' } };
    };
    const offline = npm('mkdir node_modules; echo "npm error code ENOTFOUND" >&2; exit 1');
    await expect(installLibraries(offline)).rejects.toThrow(
      /npm installed nothing \(exit code 1\): code ENOTFOUND; check the network .*--peers-from DIR/,
    );
    const changed = npm('echo "npm error code EINTEGRITY"; exit 1');
    await expect(installLibraries(changed)).rejects.toThrow(/another digest/);
    expect(readdirSync(join(folder, 'cache', 'peers'))).toEqual([]);
    const nowhere = { ...place, env: { ...place.env, PATH: join(folder, 'own') } };
    await expect(installLibraries(nowhere)).rejects.toThrow(/npm does not start: .*; install npm, or name a folder/);
    const works = npm('test -z "$npm_config_prefix" && test -f package-lock.json && mkdir -p node_modules/@jax-js/jax');
    expect(await installLibraries(works)).toEqual({ folder: installedFolder(place), before: false });
    expect(existsSync(join(installedFolder(place), 'node_modules'))).toBe(true);
    expect(await installLibraries(npm('exit 1'))).toMatchObject({ before: true });
    expect(await findLibraries(place)).toBe(installedFolder(place));
  });
});
