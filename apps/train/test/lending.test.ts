/** Runs of one session borrow its device and its language model, and leave both as they were. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '@crossgate/core';
import {
  loadConfig,
  openRun,
  openSession,
  type RunOptions,
  runExperiment,
  runGrid,
  type Session,
} from '@crossgate/experiment';
import { listAdapters } from '@crossgate/gpu/node';
import { expect, it, describe as suite } from 'vitest';
import { hashRun, tinyRuns } from './tiny-runs';

const describe = suite.skipIf((await listAdapters()).length === 0);
const tallrec = ['method=tallrec', 'training.strategy=stage1-only'];

/** Counts what is shown, and calls `onUpdate` with the name of a task and what is done of it. */
function watching(onUpdate: (name: string, done: number) => void = () => {}) {
  const started: string[] = [];
  const progress: Progress = {
    start(name) {
      started.push(name);
      return { update: (done) => onUpdate(name, done), finish() {} };
    },
  };
  return { progress, loads: () => started.filter((name) => name === 'loading weights').length };
}

const configOf = (cwd: string, file: string, set: readonly string[] = []) => loadConfig(file, { cwd, set });

async function run(session: Session, file: string, set: readonly string[] = [], options: RunOptions = {}) {
  return await runExperiment(await configOf(session.cwd, file, set), session, options);
}

const persistentOf = async (session: Session) => (await session.device()).report().persistent;

describe('runs of one session', { timeout: 300_000 }, () => {
  it('load a model once, and give what runs in sessions of their own give', async () => {
    const cwd = await tinyRuns();
    const configs = {
      ccf: await configOf(cwd, 'ccf.yaml'),
      mf: await configOf(cwd, 'mf.yaml'),
      tallrec: await configOf(cwd, 'ccf.yaml', tallrec),
      frugal: await configOf(cwd, 'ccf.yaml', [...tallrec, 'training.checkpointing=true', 'seed=2']),
    };
    const { progress, loads } = watching();
    await using session = openSession({ cwd, progress });
    const results = await runGrid(configs, session, { folder: 'together' });
    expect(loads()).toBe(1);
    for (const { cell, result } of results) {
      await using own = openSession({ cwd });
      const alone = await runExperiment(cell.config, own, { run: join('alone', cell.key) });
      expect(await hashRun(join(cwd, 'together', cell.key)), cell.key).toBe(
        await hashRun(join(cwd, 'alone', cell.key)),
      );
      // Of one run alone, whatever ran before it.
      expect(result.details.memory, cell.key).toEqual(alone.details.memory);
    }
    expect(loads()).toBe(1);
  });

  it('leave nothing on the device but the weights, however they end', async () => {
    const cwd = await tinyRuns();
    let stop = new AbortController();
    let stopAt = { name: '', done: 0 };
    const { progress, loads } = watching((name, done) => {
      if (name === stopAt.name && done >= stopAt.done) stop.abort();
    });
    // A signal that is replaced after an interruption, so that the session goes on.
    const base = openSession({ cwd, progress });
    await using session: Session = new Proxy(base, {
      get: (target, key) => (key === 'signal' ? stop.signal : Reflect.get(target, key)),
    });
    await run(session, 'mf.yaml', [], { run: 'mf' });
    expect(await persistentOf(session)).toEqual({});
    await run(session, 'ccf.yaml', ['cf.run=mf'], { run: 'ccf' });
    const weights = await persistentOf(session);
    expect(Object.keys(weights)).toEqual(['weights']);
    const expectWeightsAlone = async (after: string) => expect(await persistentOf(session), after).toEqual(weights);
    await run(session, 'ccf.yaml', tallrec, { run: 'tallrec' });
    await expectWeightsAlone('tallrec');

    for (const [file, ...set] of [
      ['mf.yaml', 'cf.learningRate=1e30'],
      ['ccf.yaml', 'cf.learningRate=1e30'],
      ['ccf.yaml', 'training.stage1.learningRate=1e30', 'training.stage1.warmupSteps=0'],
      ['ccf.yaml', 'training.stage2.learningRate=1e30', 'training.stage2.warmupSteps=0'],
    ] as const) {
      await expect(run(session, file, set, { run: `failed-${set}` })).rejects.toThrow();
      await expectWeightsAlone(`failed with ${set}`);
    }
    for (const at of [
      { name: 'training mf', done: 2 },
      { name: 'stage1', done: 3 },
      { name: 'validation', done: 1 },
      { name: 'stage2', done: 1 },
      { name: 'scoring test', done: 1 },
    ]) {
      stopAt = at;
      const broken = run(session, 'ccf.yaml', [], { run: `stopped-${at.name}` });
      await expect(broken, at.name).rejects.toMatchObject({ name: 'InterruptedError' });
      await expectWeightsAlone(`interrupted at ${at.name}`);
      [stop, stopAt] = [new AbortController(), { name: '', done: 0 }];
    }
    for (const name of ['mf', 'ccf', 'tallrec']) {
      const { scorer } = await openRun(session, name, []);
      await scorer.best(1, { count: 2, candidates: null });
      expect(await persistentOf(session), name).not.toEqual(weights);
      await scorer.close();
      await expectWeightsAlone(`scores of ${name}`);
    }
    await rm(join(cwd, 'ccf', 'fusion.safetensors'));
    await expect(openRun(session, 'ccf', [])).rejects.toThrow(/fusion\.safetensors: is missing/);
    await expectWeightsAlone('a run folder that is not whole');
    expect(loads()).toBe(1);
  });

  it('load another model, and other weights of the same, in place of the first', async () => {
    const cwd = await tinyRuns();
    await cp(join(cwd, 'model'), join(cwd, 'copy'), { recursive: true });
    const { progress, loads } = watching();
    await using session = openSession({ cwd, progress });
    const after = async (name: string, ...set: string[]) => {
      await run(session, 'ccf.yaml', [...tallrec, ...set], { run: name });
      return { loads: loads(), held: await persistentOf(session) };
    };
    const first = await after('first');
    expect(first.loads).toBe(1);
    expect(await after('copied', 'llm.path=copy')).toEqual({ ...first, loads: 2 });
    const smaller = await after('int8', 'llm.path=copy', 'llm.weights=int8');
    expect(smaller.loads).toBe(3);
    expect(smaller.held.weights!).toBeLessThan(first.held.weights!);
    expect(await hashRun(join(cwd, 'copied'))).not.toBe(await hashRun(join(cwd, 'int8')));
  });

  it('do not get a model whose loading was interrupted, nor a device that was lost', async () => {
    const cwd = await tinyRuns();
    const stop = new AbortController();
    const { progress, loads } = watching((name) => name === 'loading weights' && stop.abort());
    {
      await using broken = openSession({ cwd, progress, signal: stop.signal });
      const stopped = run(broken, 'ccf.yaml', tallrec, { run: 'stopped' });
      await expect(stopped).rejects.toMatchObject({ name: 'InterruptedError' });
      expect(await persistentOf(broken)).toEqual({});
      await expect(run(broken, 'ccf.yaml', tallrec, { run: 'stopped' })).rejects.toThrow();
      expect(loads()).toBe(2);
    }
    await using session = openSession({ cwd });
    await run(session, 'ccf.yaml', tallrec, { run: 'before' });
    const lost = await session.device();
    lost.gpu.destroy();
    await lost.gpu.lost;
    await run(session, 'ccf.yaml', tallrec, { run: 'after' });
    expect(await session.device()).not.toBe(lost);
    expect(await hashRun(join(cwd, 'after'))).toBe(await hashRun(join(cwd, 'before')));
  });
});
