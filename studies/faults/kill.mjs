// Kills runs of the built program at random moments and shows that each goes on to the same bits:
//   npm run -s example -- studies/faults/kill.mjs [KILLS] [SEED]
// Prints a table and keeps it as docs/results/kill-table/table.md. The work is that of apps/train/test/kill.test.ts.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const table = join(root, 'docs/results/kill-table/table.md');
const [kills = '20', seed = '1'] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(kills) || !/^\d+$/.test(seed)) {
  process.stderr.write('usage: kill.mjs [KILLS] [SEED], both whole numbers\n');
  process.exit(2);
}
rmSync(table, { force: true });
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'apps/train/test/kill.test.ts'],
  {
    cwd: root,
    env: { ...process.env, CROSSGATE_KILLS: kills, CROSSGATE_KILL_SEED: seed, CROSSGATE_KILL_TABLE: table },
    // The table is the result; what the tests say is news.
    stdio: ['ignore', process.stderr, 'inherit'],
  },
);
process.stdout.write(readFileSync(table, 'utf8'));
process.exitCode = status ?? 1;
