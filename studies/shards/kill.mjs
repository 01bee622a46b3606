// Kills workers of a NATS queue, the server and the disk at random moments, and shows that 200 shards are each there once:
//   npm run -s example -- studies/shards/kill.mjs [ROUNDS] [SEED]
// Needs nats-server. Prints a table and keeps it as docs/results/shards/table.md. The work is that of
// apps/train/test/work.test.ts. Each round has four faults, and takes some seconds.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const table = join(root, 'docs/results/shards/table.md');
const [rounds = '10', seed = '1'] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(rounds) || !/^\d+$/.test(seed)) {
  process.stderr.write('usage: kill.mjs [ROUNDS] [SEED], both whole numbers\n');
  process.exit(2);
}
rmSync(table, { force: true });
const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    ...['run', 'apps/train/test/work.test.ts', '--testNamePattern', 'lose and double none'],
  ],
  {
    cwd: root,
    env: { ...process.env, CROSSGATE_SHARD_ROUNDS: rounds, CROSSGATE_SHARD_SEED: seed, CROSSGATE_SHARD_TABLE: table },
    // The table is the result; what the tests say is news.
    stdio: ['ignore', process.stderr, 'inherit'],
  },
);
process.stdout.write(readFileSync(table, 'utf8'));
process.exitCode = status ?? 1;
