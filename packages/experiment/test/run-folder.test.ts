/** A finished run opened from a folder that is on no disk, as a page does it: the answers are those of `openLiveRun`. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openDevice } from '@crossgate/gpu/node';
import { memoryFolder } from '@crossgate/llm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig, openLiveRun, openSession, runExperiment, type Session } from '../src';
import { needsModel, openRunFolder, readRunFolder } from '../src/live';
import { quick, shopWith } from './shop';

let session: Session;
let files: Map<string, Uint8Array>;
let cwd: string;
beforeAll(async () => {
  cwd = await shopWith({ mf: quick('mf') });
  session = openSession({ cwd });
  await runExperiment(await loadConfig('mf.yaml', { cwd }), session, { run: 'run' });
  files = new Map();
  for (const name of await readdir(join(cwd, 'run'), { recursive: true })) {
    const path = join(cwd, 'run', name);
    if ((await stat(path)).isFile()) files.set(name, await readFile(path));
  }
});
afterAll(() => session.close());

/** The run in memory, with some files replaced or, where they are null, left out. */
function folder(changes: Readonly<Record<string, Uint8Array | null>> = {}) {
  const all = new Map<string, Uint8Array | null>([...files, ...Object.entries(changes)]);
  const present = [...all].filter((entry): entry is [string, Uint8Array] => entry[1] !== null);
  return memoryFolder('run', new Map(present));
}

it('answers as the run on disk does, and is the same model', async () => {
  await using device = await openDevice();
  await using opened = await openRunFolder(folder(), { device });
  await using onDisk = await openLiveRun(session, 'run');
  expect(needsModel(opened.config)).toBe(false);
  expect(opened.live.model).toBe(onDisk.model);
  expect(opened.live.users()).toEqual(onDisk.users());
  for (const user of ['u0', 'late, user']) {
    expect(await opened.live.recommend({ user })).toEqual(await onDisk.recommend({ user }));
  }
  expect((await readRunFolder(folder())).result.method).toBe('mf');
});

it('refuses what is no whole run, by the name of the file', async () => {
  await using device = await openDevice();
  const text = (words: string) => new TextEncoder().encode(words);
  const cut = files.get('data.gz')!.subarray(0, 90);
  for (const [changes, words] of [
    [{ 'config.yaml': null }, 'run: is not a run (it has no config.yaml)'],
    [{ 'result.json': null }, 'run: the run is not complete'],
    [{ 'result.json': text('{') }, 'run/result.json: is not valid JSON'],
    [{ 'config.yaml': text('method: mf\nname: x\nspeed: 9\n') }, 'run/config.yaml:3:1: unknown key speed'],
    [{ 'data.gz': null }, 'run: keeps no copy of its data (data.gz)'],
    [{ 'data.gz': text('no gzip') }, 'run/data.gz: damaged or cut short gzip'],
    [{ 'data.gz': cut }, 'run/data.gz: damaged or cut short gzip'],
    [{ 'cf.safetensors': null }, 'run/cf.safetensors: is missing; the run folder is not whole'],
  ] as const) {
    await expect(openRunFolder(folder(changes), { device })).rejects.toThrow(words);
  }
});
