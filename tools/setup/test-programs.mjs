// Brings the programs that tests start to a machine that lacks them. Run: node tools/setup/test-programs.mjs
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { say } from '../../packages/setup/src/system.mjs';
import { ensureProgram } from './debian-program.mjs';

/** Where Debian puts the server of PostgreSQL: in a folder of its version, which is on nobody's path. */
const postgresHome = '/usr/lib/postgresql';

/** The programs, as packages/testing finds them, which is not built yet when they are brought. */
export const testPrograms = /** @type {const} */ ({
  chromium: {
    label: 'Chromium',
    names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    variable: 'CROSSGATE_CHROMIUM',
    package: 'chromium',
    tests: 'tests in a browser',
  },
  nats: {
    label: 'nats-server',
    names: ['nats-server'],
    variable: 'CROSSGATE_NATS_SERVER',
    package: 'nats-server',
    tests: 'tests of work queues',
  },
  postgres: {
    label: 'PostgreSQL',
    names: ['postgres'],
    variable: 'CROSSGATE_POSTGRES',
    package: 'postgresql',
    tests: 'tests of databases',
    folders: async () => {
      const versions = await readdir(postgresHome).catch(() => []);
      return versions.map((version) => join(postgresHome, version, 'bin'));
    },
  },
  openmpi: {
    label: 'mpirun',
    names: ['mpirun'],
    variable: 'CROSSGATE_MPIRUN',
    package: 'openmpi-bin',
    tests: 'tests of ranks',
  },
  shellcheck: {
    label: 'shellcheck',
    names: ['shellcheck'],
    variable: 'CROSSGATE_SHELLCHECK',
    package: 'shellcheck',
    tests: 'checks of scripts for Slurm',
  },
});

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const program of Object.values(testPrograms)) {
    const { label, tests } = program;
    const outcome = await ensureProgram(program).catch((error) => ({ reason: `no ${label}: ${error.message}` }));
    say('program' in outcome ? `${label}: ${outcome.program}` : `${outcome.reason}; ${tests} are skipped`);
  }
}
