/** Options of `train`: keys that the method does not read give one warning, or are refused with --strict; shared GPUs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runExperiment } from '@crossgate/experiment';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { expect, it, vi } from 'vitest';
import { runCli } from './cli';

// As it is; what it is called with can be seen.
vi.mock('@crossgate/experiment', async (original) => {
  const experiment = await original<typeof import('@crossgate/experiment')>();
  return { ...experiment, runExperiment: vi.fn(experiment.runExperiment) };
});

const config = 'method: mean\ndata: { path: ml-1m }\n';
const files = { ...inventedMl1m(), 'clean.yaml': config, 'unread.yaml': `${config}lora:\n  rank: 4\nloss: { k: 1 }\n` };
const words = 'unread.yaml:4:3: method mean does not read lora.rank, loss.k; remove them';

it('warns once and trains all the same', async () => {
  const cwd = await folderWith(files);
  const clean = await runCli(['train', 'clean.yaml', '--json', '--run', 'clean'], { cwd });
  const unread = await runCli(['train', 'unread.yaml', '--json', '--run', 'unread'], { cwd });
  expect(unread.code).toBe(0);
  expect(unread.stderr.split('\n').filter((line) => line.startsWith('warning: '))).toEqual([`warning: ${words}`]);
  expect(clean.stderr).not.toContain('warning: ');
  expect(JSON.parse(unread.stdout).metrics).toEqual(JSON.parse(clean.stdout).metrics);
});

it('refuses with --strict before anything is made, and names the argument of --set', async () => {
  const cwd = await folderWith(files);
  const refused = await runCli(['train', 'unread.yaml', '--strict', '--run', 'r'], { cwd });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain(words);
  expect(refused.stderr).not.toContain('warning: ');
  const set = ['train', 'clean.yaml', '--strict', '--set', 'gate.hidden=4', '--run', 'r'];
  expect(await runCli(set, { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--set gate.hidden: method mean does not read gate.hidden; remove it'),
  });
  expect(existsSync(join(cwd, 'r'))).toBe(false);
  expect((await runCli(['train', 'clean.yaml', '--strict', '--run', 'r'], { cwd })).code).toBe(0);
});

it('trains the config.yaml of a run again with --strict, though it holds all keys', async () => {
  const cwd = await folderWith(files);
  expect((await runCli(['train', 'unread.yaml', '--run', 'r'], { cwd })).code).toBe(0);
  const again = await runCli(['train', 'r/config.yaml', '--strict', '--run', 'again'], { cwd });
  expect(again.code, again.stderr).toBe(0);
});

it('is in the help', async () => {
  const { stdout } = await runCli(['train', '--help'], { cwd: await folderWith() });
  expect(stdout.replace(/\s+/g, ' ')).toContain('--strict refuse keys of the config that its method does not read');
});

it.each([
  [[], false],
  [['--allow-shared-gpu'], true],
])('says with %j whether ranks may share a GPU', async (options, sharedGpu) => {
  const cwd = await folderWith(files);
  expect((await runCli(['train', 'clean.yaml', '--run', 'r', ...options], { cwd })).code).toBe(0);
  const [, , given] = vi.mocked(runExperiment).mock.lastCall!;
  expect(given).toMatchObject({ sharedGpu });
});
