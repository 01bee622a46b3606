// Brings PostgreSQL to a machine that has none, for the tests of data in databases. Run: node tools/setup/postgres.mjs
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { say } from '../../packages/setup/src/system.mjs';
import { ensureProgram } from './debian-program.mjs';

/** Where Debian puts the server: in a folder of its version, which is on nobody's path. */
const home = '/usr/lib/postgresql';

async function folders() {
  const versions = await readdir(home).catch(() => []);
  return versions.map((version) => join(home, version, 'bin'));
}

/**
 * Makes sure of a PostgreSQL server where that is possible.
 * @param {Parameters<typeof ensureProgram>[1]} [machine] the real one by default
 */
export function ensurePostgres(machine) {
  const wanted = { label: 'PostgreSQL', names: ['postgres'], variable: 'CROSSGATE_POSTGRES', package: 'postgresql' };
  return ensureProgram({ ...wanted, folders }, machine);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const outcome = await ensurePostgres().catch((error) => ({ reason: `no PostgreSQL: ${error.message}` }));
  say('program' in outcome ? `PostgreSQL: ${outcome.program}` : `${outcome.reason}; tests of databases are skipped`);
}
