// Brings Open MPI to a machine that has none, for the tests of ranks. Run: node tools/setup/openmpi.mjs
import { pathToFileURL } from 'node:url';
import { say } from '../../packages/setup/src/system.mjs';
import { ensureProgram } from './debian-program.mjs';

/**
 * Makes sure of mpirun, and with it of the library, where that is possible.
 * @param {Parameters<typeof ensureProgram>[1]} [machine] the real one by default
 */
export function ensureOpenMpi(machine) {
  const names = ['mpirun'];
  return ensureProgram({ label: 'mpirun', names, variable: 'CROSSGATE_MPIRUN', package: 'openmpi-bin' }, machine);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const outcome = await ensureOpenMpi().catch((error) => ({ reason: `no mpirun: ${error.message}` }));
  say('program' in outcome ? `mpirun: ${outcome.program}` : `${outcome.reason}; tests of ranks are skipped`);
}
