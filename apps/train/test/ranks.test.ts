/** `mpirun -n N crossgate train`: what one process finds; ended by a dead rank and resumed; refused. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { listAdapters } from '@crossgate/gpu/node';
import { findMpirun, inventedMl1m, mpirunArguments, mpirunEnvironment, noMpi } from '@crossgate/testing/node';
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

/** The process of a rank that mpirun starts, found among its children; waits for it. */
async function processOfRank(child: ChildProcess, rank: number): Promise<number> {
  while (child.exitCode === null) {
    for (const name of await readdir('/proc')) {
      const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
      if (!environment.split('\0').includes(`OMPI_COMM_WORLD_RANK=${rank}`)) continue;
      const status = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
      // State and parent follow the name, which may hold anything.
      if (Number(status.split(')').at(-1)?.trim().split(' ')[1]) === child.pid) return Number(name);
    }
    await setTimeout(20);
  }
  throw new Error(`no process of rank ${rank}`);
}

/** The language model as it is: ranks share the rows that it scores. */
const zeroShot = `method: zero-shot
data: { path: ml-1m }
llm: { path: model }
prompt: { historyLength: 2 }
evaluation: { splits: [test], batchTokens: 2000 }
`;

/** A language model and vectors of its slots, which one process trains in seconds. */
const softprompt = `method: softprompt
data: { path: ml-1m }
llm: { path: model }
prompt: { historyLength: 2 }
lora: { rank: 2 }
training:
  strategy: stage1-only
  selectBy: last
  checkpointEvery: 1
  stage1: { rows: 20, batchSize: 4, learningRate: 1e-2, warmupSteps: 1 }
evaluation: { splits: [test], validRows: 10, batchTokens: 2000 }
`;

describe.skipIf(reason !== '')(`training across ranks${reason && ` (${reason})`}`, () => {
  it.each([
    ['mf', 4, { cf: { ranks: 4, epochs: 12 } }, 'run'],
    // A value that looks like an option.
    ['zero-shot', 2, { ranks: 2 }, '--json'],
  ])('of %s on %i finds what one process finds', async (method, ranks, details, run) => {
    const cwd = await tinyRuns();
    await writeFile(join(cwd, 'zero-shot.yaml'), zeroShot);
    const many = await startRanks(cwd, ranks, ['train', `${method}.yaml`, '--run', run, '--json']).ended;
    expect(many.code, many.stderr).toBe(0);
    // One document: rank 0 alone prints.
    expect(JSON.parse(many.stdout)).toMatchObject({ run, method, details });
    const alone = await startProgram(['train', `${method}.yaml`, '--run', 'one'], { cwd }).ended;
    expect(alone.code).toBe(0);
    await expectSameScores(join(cwd, run), join(cwd, 'one'));
  });

  it.skipIf(process.platform !== 'linux')(
    'of a language model ends with a dead rank, and resumes with one',
    { timeout: 300_000 },
    async () => {
      const cwd = await tinyRuns();
      await writeFile(join(cwd, 'softprompt.yaml'), softprompt);
      const train = ['train', 'softprompt.yaml', '--run', 'run'];
      const { child, ended } = startRanks(cwd, 2, train);
      const victim = await processOfRank(child, 1);
      while (child.exitCode === null && !existsSync(join(cwd, 'run/checkpoints/last.json'))) await setTimeout(1);
      process.kill(victim, 'SIGKILL');
      const { code, stderr } = await ended;
      expect(code).not.toBe(0);
      // No other error, no stack, no words of mpirun.
      const said = stderr.split('\n').filter((line) => /error|rank|--resume|signal|^ +at /i.test(line));
      expect(said).toEqual(['rank 1 has ended; with --resume the run goes on from its last checkpoint']);
      const [resumed, alone] = await Promise.all([
        startProgram([...train, '--resume'], { cwd }).ended,
        startProgram(['train', 'softprompt.yaml', '--run', 'one'], { cwd }).ended,
      ]);
      expect(resumed.stderr).toMatch(/continuing stage1 after step [1-4]$/m);
      expect([resumed.code, alone.code]).toEqual([0, 0]);
      await expectSameScores(join(cwd, 'run'), join(cwd, 'one'));
    },
  );

  it.each([
    ['another config', 'cf: { learningRate: 0.03 }', /^cf\.learningRate is 0\.03 on rank 1, but 0\.02 on rank 0;/],
    ['other data', 'data: { path: other }', /^the hash of the data is \w+ on rank 1, but \w+ on rank 0;/],
  ])('refuses a rank with %s before the first step', async (_, change, words) => {
    const cwd = await tinyRuns();
    for (const [name, text] of Object.entries(inventedMl1m(5, 4))) {
      await mkdir(join(cwd, 'other'), { recursive: true });
      await writeFile(join(cwd, 'other', basename(name)), text);
    }
    await writeFile(join(cwd, 'other.yaml'), `extends: mf.yaml\n${change}\n`);
    const run = ['--run', 'run'];
    const { code, stderr } = await startRanks(cwd, 1, ['train', 'mf.yaml', ...run], ['train', 'other.yaml', ...run])
      .ended;
    expect(code).toBe(2);
    const errors = stderr.split('\n').flatMap((line) => line.split('error: ')[1] ?? []);
    expect(errors).toEqual([expect.stringMatching(words)]);
    expect(errors[0]).toMatch(/; give all ranks the same config, data, model and version of Crossgate$/);
    expect(existsSync(join(cwd, 'run'))).toBe(false);
  });
});
