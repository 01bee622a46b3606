// Brings nats-server to a machine that has none, for the tests of work queues. Run: node tools/setup/nats.mjs
import { pathToFileURL } from 'node:url';
import { say } from '../../packages/setup/src/system.mjs';
import { ensureProgram } from './debian-program.mjs';

/**
 * Makes sure of nats-server where that is possible.
 * @param {Parameters<typeof ensureProgram>[1]} [machine] the real one by default
 */
export function ensureNats(machine) {
  const names = ['nats-server'];
  return ensureProgram(
    { label: 'nats-server', names, variable: 'CROSSGATE_NATS_SERVER', package: 'nats-server' },
    machine,
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const outcome = await ensureNats().catch((error) => ({ reason: `no nats-server: ${error.message}` }));
  say('program' in outcome ? `nats-server: ${outcome.program}` : `${outcome.reason}; tests of work queues are skipped`);
}
