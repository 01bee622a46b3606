/** `mpirun -n N crossgate train`: ended by a dead rank, resumed with others to what one process finds, refused. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { findMpirun, mpirunArguments, mpirunEnvironment, noMpi } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { built, endOf, program, startProgram } from './program';
import { tinyRuns } from './tiny-runs';

const mpirun = findMpirun();
const adapters = await listAdapters();
const reason = mpirun === null ? noMpi : !built ? 'no dist/: npm run build' : adapters.length === 0 ? 'no GPU' : '';

/** Starts `mpirun -n RANKS crossgate ARGS`; several lists of arguments start one rank each. */
function startRanks(cwd: string, ranks: number, ...each: readonly (readonly string[])[]) {
  const [first = [], ...others] = each.map((argv) => [process.execPath, program, ...argv]);
  const more = others.flatMap((command) => [':', '-n', '1', ...command]);
  const child = spawn(mpirun!, [...mpirunArguments(ranks), ...first, ...more], {
    cwd,
    env: { ...process.env, ...mpirunEnvironment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { child, ended: endOf(child) };
}

async function scores(run: string): Promise<number[]> {
  const [, ...lines] = (await readFile(join(run, 'predictions/test.csv'), 'utf8')).trim().split('\n');
  return lines.map((line) => Number(line.split(',').at(-1)));
}

async function expectSameScores(run: string, other: string): Promise<void> {
  const [found, expected] = [await scores(run), await scores(other)];
  expect(found).toHaveLength(expected.length);
  for (const [row, score] of found.entries()) expect(Math.abs(score - expected[row]!)).toBeLessThan(1e-5);
}

/** The process of a rank that mpirun started, found among its children. */
async function processOfRank({ pid }: ChildProcess, rank: number): Promise<number> {
  for (const name of await readdir('/proc')) {
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (!environment.split('\0').includes(`OMPI_COMM_WORLD_RANK=${rank}`)) continue;
    const status = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // State and parent follow the name, which may hold anything.
    if (Number(status.split(')').at(-1)?.trim().split(' ')[1]) === pid) return Number(name);
  }
  throw new Error(`no process of rank ${rank}`);
}

describe.skipIf(reason !== '')(`training across ranks${reason && ` (${reason})`}`, () => {
  it.skipIf(process.platform !== 'linux')('ends with a dead rank of 4, and resumes with 2', async () => {
    const cwd = await tinyRuns();
    const train = ['train', 'mf.yaml', '--run', 'run'];
    const { child, ended } = startRanks(cwd, 4, train);
    while (child.exitCode === null && !existsSync(join(cwd, 'run/checkpoints/last.json'))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    process.kill(await processOfRank(child, 3), 'SIGKILL');
    const { code, stderr } = await ended;
    expect(code).not.toBe(0);
    const said = stderr.split('\n').filter((line) => line.includes('--resume'));
    expect(said).toEqual(['rank 3 has ended; with --resume the run goes on from its last checkpoint']);
    const resumed = await startRanks(cwd, 2, [...train, '--resume', '--json']).ended;
    expect(resumed.stderr).toContain('continuing mf after epoch');
    expect(resumed.code).toBe(0);
    // One document: rank 0 alone prints.
    expect(JSON.parse(resumed.stdout)).toMatchObject({ run: 'run', details: { cf: { ranks: 2, epochs: 12 } } });
    const alone = await startProgram(['train', 'mf.yaml', '--run', 'one'], { cwd }).ended;
    expect(alone.code).toBe(0);
    await expectSameScores(join(cwd, 'run'), join(cwd, 'one'));
  });

  it('refuses ranks with another config, before the first step', async () => {
    const cwd = await tinyRuns();
    await writeFile(join(cwd, 'other.yaml'), 'extends: mf.yaml\ncf: { learningRate: 0.03 }\n');
    const run = ['--run', 'run'];
    const { code, stderr } = await startRanks(cwd, 1, ['train', 'mf.yaml', ...run], ['train', 'other.yaml', ...run])
      .ended;
    expect(code).toBe(2);
    const errors = stderr.split('\n').filter((line) => line.includes('error:'));
    expect(errors).toEqual([
      'error: cf.learningRate is 0.03 on rank 1, but 0.02 on rank 0; give all ranks the same config, data, model and version of Crossgate',
    ]);
    expect(existsSync(join(cwd, 'run'))).toBe(false);
  });
});
