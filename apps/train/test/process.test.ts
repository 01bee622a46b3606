/** The built program as a process: exit codes, pipes that close, Ctrl-C. Needs `dist/`, which `npm test` builds first. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { built, startProgram } from './program';
import { tinyRuns } from './tiny-runs';

const adapters = await listAdapters();
const configs = join(import.meta.dirname, '../../../configs/ml-1m');

function start(argv: string[], cwd: string) {
  const { child, ended } = startProgram(argv, { cwd });
  return { child, done: ended };
}

describe.skipIf(!built)('the built program (dist/main.js)', () => {
  it('prints one JSON document and exits with 0, or one line and exits with 2', async () => {
    const cwd = await folderWith({ 's.csv': 'user,label,score\na,1,1\na,0,0\n' });
    const good = await start(['metrics', 's.csv', '--json'], cwd).done;
    expect({ code: good.code, stderr: good.stderr, auc: JSON.parse(good.stdout).auc }).toEqual({
      code: 0,
      stderr: '',
      auc: 1,
    });
    const bad = await start(['metrics', 'none.csv'], cwd).done;
    expect({ code: bad.code, stdout: bad.stdout }).toEqual({ code: 2, stdout: '' });
    expect(bad.stderr).toMatch(/^error: .*none\.csv: CSV not found.*\n$/);
  });

  it('ends quietly when its reader goes away', async () => {
    const cwd = await folderWith(inventedMl1m(200, 60));
    const { child, done } = start(['data', 'export', '--data', 'ml-1m', '--split', 'train'], cwd);
    await Promise.race([done, new Promise((resolve) => child.stdout?.once('data', resolve))]);
    child.stdout?.destroy();
    expect(await done).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends with 130 and leaves nothing after Ctrl-C', async () => {
    const cwd = await folderWith(inventedMl1m(2000, 100));
    const before = await listing(cwd);
    const run = ['train', join(configs, 'running-mean.yaml'), '--set', 'data.path=ml-1m', '--run', 'out', '--verbose'];
    const { child, done } = start(run, cwd);
    // The first line of the log comes before the 200,000 rows are read.
    child.stderr?.once('data', () => child.kill('SIGINT'));
    const { code, stderr } = await done;
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(/^interrupted$/m);
    expect(await listing(cwd)).toEqual(before);
  });

  it.skipIf(adapters.length === 0)('takes one Ctrl-C that comes several times for one', async () => {
    const cwd = await tinyRuns();
    const run = ['train', 'mf.yaml', '--run', 'out', '--set', 'cf.epochs=100000', '--set', 'cf.patience=100000'];
    const { child, done } = start(run, cwd);
    const running = done.then(() => expect.unreachable('the training ended by itself'));
    const begun = async () => {
      while (!existsSync(join(cwd, 'out/checkpoints/last.json')))
        await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await Promise.race([begun(), running]);
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) {
      child.kill(signal);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { code, stderr } = await done;
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(/^stopping \(once more to stop at once\)$/m);
    expect(stderr).toMatch(/^interrupted; with --resume the run goes on from its last checkpoint$/m);
    expect(existsSync(join(cwd, 'out/run.lock'))).toBe(false);
  });
});
