/**
 * SIGKILL at random moments of real runs, also in the middle of file operations: each run, resumed, has the bits of an
 * unbroken one. `studies/faults/kill.mjs` runs it at length and keeps its table.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { RandomStream } from '@crossgate/tensor';
import { listing, resumeIfBegun } from '@crossgate/testing/node';
import { afterAll, describe, expect, it } from 'vitest';
import { built, startProgram } from './program';
import { hashRun, tinyRuns } from './tiny-runs';

const adapters = await listAdapters();
/** Kills in all; half of them by the clock, half in a file operation. */
const kills = Number(process.env.CROSSGATE_KILLS ?? 4);
const table = process.env.CROSSGATE_KILL_TABLE;
const seed = Number(process.env.CROSSGATE_KILL_SEED ?? 1);
const preload = join(import.meta.dirname, 'fail-at.mjs');

interface Row {
  readonly method: string;
  readonly moment: string;
  readonly doing: string;
  readonly left: string;
  readonly resumed: boolean;
  readonly equal: boolean;
}

const train = (cwd: string, method: string, run: string) => [
  ...['train', `${method}.yaml`, '--run', run, '--json'],
  ...resumeIfBegun(join(cwd, run)),
];

/** Waits for a file of a process, and tells when it was there. */
async function appeared(path: string, ended: Promise<unknown>): Promise<number> {
  let running = true;
  void ended.then(() => {
    running = false;
  });
  while (running && !existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 2));
  return performance.now();
}

/** What a killed run has: its last checkpoint, and files that were not finished. */
async function leftBy(run: string): Promise<string> {
  if (!existsSync(run)) return 'nothing';
  const unfinished = (await listing(run)).filter((name) => /\.(partial|tmp)$/.test(name)).length;
  const path = join(run, 'checkpoints/last.json');
  const last = existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined;
  const { phase, stage, step } = last?.state ?? {};
  const at = phase === 'hybrid' ? `stage ${stage + 1}, step ${step}` : phase === 'cf' ? 'MF' : 'no checkpoint';
  return unfinished > 0 ? `${at}; ${unfinished} unfinished file` : at;
}

describe.skipIf(!built || adapters.length === 0)('a run that is killed (needs dist/ and a GPU)', () => {
  const rows: Row[] = [];

  it.each(['mf', 'ccf'])(
    '%s goes on to the bits of an unbroken run',
    async (method) => {
      const cwd = await tinyRuns();
      const random = new RandomStream(seed, `kills.${method}`);
      const trace = join(cwd, 'trace.txt');
      const watched = (run: string, at: number) => ({
        cwd,
        preload,
        env: { FAIL_IN: join(cwd, run), FAIL_AT: String(at), FAIL_TRACE: trace },
      });
      await writeFile(trace, '');
      const unbroken = startProgram(train(cwd, method, 'whole'), watched('whole', 0));
      const began = await appeared(join(cwd, 'whole/config.yaml'), unbroken.ended);
      const whole = await unbroken.ended;
      const duration = performance.now() - began;
      expect(whole.code, whole.stderr).toBe(0);
      const expected = await hashRun(join(cwd, 'whole'));
      const operations = (await readFile(trace, 'utf8')).trimEnd().split('\n');
      const inCheckpoint = operations.flatMap((line, i) => (line.includes('checkpoints/') ? [i + 1] : []));
      expect(inCheckpoint.length).toBeGreaterThan(20);

      for (let kill = 0; kill < kills / 2; kill++) {
        const run = `run${kill}`;
        const byClock = kill % 2 === 1;
        const share = random.uniform();
        await writeFile(trace, '');
        let moment: string;
        if (byClock) {
          // The clock starts with the run: before its first file, nothing can be lost. A machine that is faster now than it
          // was for the unbroken run may have finished by then: such a run is no test, and is killed earlier.
          let after = Math.round(0.9 * share * duration);
          for (let done = true; done; after = done ? Math.floor(after / 2) : after) {
            await rm(join(cwd, run), { recursive: true, force: true });
            await writeFile(trace, '');
            const { child, ended } = startProgram(train(cwd, method, run), watched(run, 0));
            await appeared(join(cwd, run, 'config.yaml'), ended);
            const timer = setTimeout(() => child.kill('SIGKILL'), after);
            await ended;
            clearTimeout(timer);
            done = existsSync(join(cwd, run, 'result.json'));
          }
          moment = `${after} ms after config.yaml`;
        } else {
          // Two of three in a checkpoint, where it hurts most.
          const places = kill % 3 === 2 ? operations.map((_, i) => i + 1) : inCheckpoint;
          const at = places[Math.floor(share * places.length)]!;
          const killed = await startProgram(train(cwd, method, run), watched(run, at)).ended;
          expect(killed.signal, killed.stderr).toBe('SIGKILL');
          moment = `in file operation ${at} of ${operations.length}`;
        }
        const last = (await readFile(trace, 'utf8')).trimEnd().split('\n').at(-1)!;
        const doing = last === '' ? 'none' : last;
        const left = await leftBy(join(cwd, run));
        const rest = await startProgram(train(cwd, method, run), { cwd }).ended;
        const resumed = rest.code === 0;
        const equal = resumed && (await hashRun(join(cwd, run))) === expected;
        rows.push({ method, moment, doing, left, resumed, equal });
        expect({ ...rows.at(-1), stderr: equal ? '' : rest.stderr }).toMatchObject({ resumed: true, equal: true });
      }
    },
    1_800_000,
  );

  // No test of its own: it keeps what the tests above have seen, where a table is asked for.
  afterAll(async () => {
    if (table === undefined) return;
    const lines = rows.map(
      ({ method, moment, doing, left, resumed, equal }, i) =>
        `| ${i + 1} | ${method} | ${moment} | ${doing} | ${left} | ${resumed ? 'yes' : 'NO'} | ${equal ? 'yes' : 'NO'} |`,
    );
    const header = '| # | run | killed | last file operation begun | what was left | resumed | bits equal |';
    await mkdir(dirname(table), { recursive: true });
    await writeFile(table, `${[header, '|---|---|---|---|---|---|---|', ...lines].join('\n')}\n`);
    expect(lines).toHaveLength(2 * Math.ceil(kills / 2));
  });
});
