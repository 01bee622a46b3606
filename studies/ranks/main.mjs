// What do ranks cost? Seconds per step and the share of communication for each number of ranks, and how fast sums of 1
// to 256 MB are, in f32 and f16. Starts mpirun on this machine by itself; on several machines, start worker.mjs by
// mpirun or srun in the same way. Minutes. `pieces`: what the size of pieces costs where a table is summed, a minute.
//
//   npm run -s example -- studies/ranks/main.mjs [pieces] [RANKS…]
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const args = process.argv.slice(2);
const worker = fileURLToPath(new URL(args[0] === 'pieces' ? 'pieces.mjs' : 'worker.mjs', import.meta.url));
const counts = args.filter((arg) => arg !== 'pieces').map(Number);
for (const ranks of counts.length > 0 ? counts : [1, 2, 4]) {
  const command = ['--quiet', '--oversubscribe', '-n', String(ranks), process.execPath, worker];
  const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  const { status, error } = spawnSync('mpirun', command, { stdio: ['ignore', 'inherit', 'inherit'], env });
  if (error || status !== 0) {
    process.stderr.write(`mpirun with ${ranks} ranks: ${error?.message ?? `exit code ${status}`}\n`);
    process.exit(1);
  }
}
