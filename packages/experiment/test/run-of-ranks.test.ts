/** Runs of ranks in one process: they resume, refuse what differs between them, and end together. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Collective, inProcess } from '@crossgate/collective';
import { folderWith } from '@crossgate/testing/node';
import { afterEach, expect, it, vi } from 'vitest';
import { type ExperimentResult, loadConfig, openSession, type RunOptions, runExperiment } from '../src';
import { openRunOfRanks } from '../src/ranks/open-run';
import { RunFolder } from '../src/runs/run-folder';
import { quick, shopWith } from './shop';

afterEach(() => void vi.unstubAllEnvs());

/** Files that ranks leave in the folder of temporary files, which is a new one. */
async function emptyTemporary(): Promise<() => Promise<string[]>> {
  const folder = await folderWith();
  vi.stubEnv('TMPDIR', folder);
  return () => readdir(folder);
}

const messageOf = (error: Error) => error.message;

/** The scores of test, in the order of its rows. */
async function scoresOf(run: string): Promise<number[]> {
  const [, ...lines] = (await readFile(join(run, 'predictions/test.csv'), 'utf8')).trim().split('\n');
  return lines.map((line) => Number(line.split(',').at(-1)));
}

it('resumes on two ranks what one process began, and refuses other values to start from', async () => {
  const first = await shopWith({ mf: quick('mf') });
  const second = await shopWith({ mf: quick('mf') });
  const config = await loadConfig('mf.yaml', { cwd: first });
  const stop = new AbortController();
  {
    await using session = openSession({ cwd: first });
    await runExperiment(config, session, { run: 'whole' });
    await using stopped = openSession({ cwd: first, signal: stop.signal });
    const onMetrics = () => stop.abort();
    await expect(runExperiment(config, stopped, { run: 'run', onMetrics })).rejects.toThrow('--resume');
  }
  await cp(join(first, 'whole'), join(second, 'whole'), { recursive: true });
  const left = await emptyTemporary();
  const told = new AbortController();
  let tellsBehind: RegExp | undefined;
  const say = (message: unknown) => {
    if (tellsBehind?.test(String(message))) told.abort();
  };
  // Rank 1 alone is told to stop, by what it says.
  const listening = { signal: told.signal, log: { debug: say, info: say, warn: say } };
  // The GPU of each rank calls itself hardware, and both are the same.
  const sessions = inProcess(2).map((collective, rank) =>
    openSession({ cwd: [first, second][rank]!, collective, ...(rank === 1 && listening) }),
  );
  for (const session of sessions) {
    const device = await session.device();
    Object.defineProperty(device, 'capabilities', { value: { ...device.capabilities, software: false } });
  }
  const train = (options: RunOptions, set: readonly string[] = []) =>
    Promise.all(
      sessions.map(async (session): Promise<ExperimentResult | string> => {
        const own = await loadConfig('mf.yaml', { cwd: session.cwd, set });
        return runExperiment(own, session, options).catch(messageOf);
      }),
    );
  const sharing = /^ranks 0 and 1 would share the GPU .* add --allow-shared-gpu$/;
  expect(await train({ run: 'run', resume: true })).toEqual([
    expect.stringMatching(sharing),
    expect.stringMatching(sharing),
  ]);
  const results = await train({ run: 'run', resume: true, sharedGpu: true });
  for (const result of results) expect(result).toMatchObject({ details: { cf: { ranks: 2, epochs: 3 } } });
  const [found, expected] = [await scoresOf(join(first, 'run')), await scoresOf(join(first, 'whole'))];
  expect(found).toHaveLength(expected.length);
  for (const [row, score] of found.entries()) expect(Math.abs(score - expected[row]!)).toBeLessThan(1e-5);
  expect(existsSync(join(second, 'run'))).toBe(false);
  expect(await left()).toEqual([]);

  const other = join(second, 'whole/cf.safetensors');
  const values = await readFile(other);
  values[values.length - 4]! ^= 1;
  await writeFile(other, values);
  for (const [options, set, name] of [
    [{ run: 'x', sharedGpu: true }, ['cf.run=whole'], 'cf.safetensors of whole (cf.run)'],
    [{ run: 'x', sharedGpu: true, from: 'whole' }, [], 'cf.safetensors of whole (--from)'],
  ] as const) {
    const words = await train(options, set);
    expect(words[0]).toContain(`the hash of ${name} is `);
    expect(words[0]).toMatch(/ is [\da-f]{64} on rank 1, but [\da-f]{64} on rank 0; give all ranks the same/);
    expect(words[1]).toBe(words[0]);
    expect(existsSync(join(first, 'x'))).toBe(false);
  }

  // Behind the training, where nothing but the end of the run is left to do together.
  tellsBehind = /^mf: the values of epoch 3/;
  const words = 'interrupted; with --resume the run goes on from its last checkpoint';
  expect(await train({ run: 'stopped', sharedGpu: true })).toEqual([words, words]);
  const last = JSON.parse(await readFile(join(first, 'stopped/checkpoints/last.json'), 'utf8'));
  expect(last.state).toEqual({ phase: 'cf' });
  expect(existsSync(join(first, 'stopped/run.lock'))).toBe(false);
  expect(await left()).toEqual([]);
  for (const session of sessions) await session.close();
});

it('counts as one process does where nothing is trained, and ends together before there is a run', async () => {
  const cwd = await shopWith({ mean: '' });
  const config = await loadConfig('mean.yaml', { cwd });
  await using alone = openSession({ cwd });
  const { metrics } = await runExperiment(config, alone, { run: 'one' });
  const train = (run: string, ...signals: AbortSignal[]) =>
    Promise.all(
      inProcess(2).map((collective, rank) => {
        const session = openSession({ cwd, collective, ...(signals[rank] && { signal: signals[rank] }) });
        return runExperiment(config, session, { run }).catch((error: unknown) => error);
      }),
    );
  for (const result of await train('two')) expect(result).toMatchObject({ metrics });
  const stopped = await train('stopped', new AbortController().signal, AbortSignal.abort());
  for (const error of stopped) expect(error).toMatchObject({ name: 'InterruptedError', message: 'interrupted' });
  expect(existsSync(join(cwd, 'stopped'))).toBe(false);

  // A folder of the data that one rank cannot read.
  const elsewhere = await folderWith();
  const failed = await Promise.all(
    inProcess(2).map((collective, rank) => {
      const session = openSession({ cwd: [cwd, elsewhere][rank]!, collective });
      return runExperiment(config, session, { run: 'absent' }).catch((error: unknown) => error);
    }),
  );
  const [other, own] = failed as Error[];
  expect(own).toMatchObject({ name: 'InputError', message: expect.stringContaining('shop') });
  expect(other).toMatchObject({ name: 'InputError', message: `rank 1: ${own!.message}` });
});

it('fails on all ranks where one cannot read or write what lies in the run, which can be opened again', async () => {
  const cwd = await shopWith({ mf: quick('mf') });
  const config = await loadConfig('mf.yaml', { cwd });
  const path = join(cwd, 'run');
  const begun = await RunFolder.open(path, config, { resume: false });
  const provenance = { crossgate: '1', node: '1', platform: '1', adapter: null, dataHash: '1' };
  await begun.begin(config, provenance);
  // More than one piece.
  const weights = new Uint8Array(2 ** 24 + 5).fill(7);
  await begun.saveCheckpoint('last', {}, weights);
  await begun.close();
  const open = (ranks: readonly Collective[]) =>
    Promise.all(ranks.map((each) => openRunOfRanks(path, config, { resume: true }, each).catch(messageOf)));

  const left = await emptyTemporary();
  const opened = (await open(inProcess(3))) as RunFolder[];
  for (const { path: own } of opened) {
    expect(await readFile(join(own, 'checkpoints/last-a.safetensors')).then((bytes) => bytes.equals(weights))).toBe(
      true,
    );
    expect(existsSync(join(own, 'checkpoints/last.json'))).toBe(true);
  }
  for (const run of opened) await run.close();
  expect(await left()).toEqual([]);

  // Read by none before it is sent: a folder can be opened, but not be read.
  await mkdir(join(path, 'cf.safetensors/x'), { recursive: true });
  const [unread, ...others] = await open(inProcess(3));
  expect(unread).toMatch(/EISDIR|is a folder/);
  expect(others).toEqual(Array(2).fill(`rank 0: ${unread}`));
  expect(await left()).toEqual([]);

  await rm(join(path, 'cf.safetensors'), { recursive: true });
  vi.stubEnv('TMPDIR', join(path, 'config.yaml'));
  const [told, unwritten] = await open(inProcess(2));
  expect(unwritten).toMatch(/config\.yaml: is a file where a folder is needed; set TMPDIR to a folder with room$/);
  expect(told).toBe(`rank 1: ${unwritten}`);
  // No lock is left.
  await (await RunFolder.open(path, config, { resume: true })).close();
});
