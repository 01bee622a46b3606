/** A NATS server of this machine, for tests: found, started in a folder of its own, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './free-port';
import { findProgram } from './programs';

/** What to say of tests that are skipped for want of a server. */
export const noNats =
  'no nats-server: apt-get install -y --no-install-recommends nats-server, or set CROSSGATE_NATS_SERVER';

/**
 * Finds the program: the one that CROSSGATE_NATS_SERVER names, else `nats-server` on the path.
 * @returns an absolute path; null when there is none
 * @throws Error when CROSSGATE_NATS_SERVER names what is no program: whoever sets it wants no test to be skipped
 */
export function findNats(env?: Readonly<Record<string, string | undefined>>): string | null {
  return findProgram({ variable: 'CROSSGATE_NATS_SERVER', names: ['nats-server'] }, env);
}

/** A server on a free port of this machine. */
export interface NatsServer {
  readonly url: string;
  /** Ends it at once, as a lost machine does; what it has on disk stays. */
  kill(): Promise<void>;
  /** Starts it again, with what it has on disk. */
  start(): Promise<void>;
}

/**
 * Starts a server; kill it.
 * @param folder absolute path of an existing folder for its files
 * @param args more arguments. Default: JetStream with its files in the folder
 * @throws Error when it does not answer within 20 seconds
 */
export async function startNats(
  folder: string,
  args: readonly string[] = ['--jetstream', '--store_dir', folder],
): Promise<NatsServer> {
  const program = findNats();
  if (program === null) throw new Error(noNats);
  const port = await freePort();
  let child: ChildProcess | undefined;
  const server: NatsServer = {
    url: `nats://127.0.0.1:${port}`,
    async kill() {
      const running = child;
      child = undefined;
      if (running === undefined || running.exitCode !== null) return;
      const ended = once(running, 'exit');
      running.kill('SIGKILL');
      await ended;
    },
    async start() {
      child = spawn(program, ['--addr', '127.0.0.1', '--port', String(port), ...args], { stdio: 'ignore' });
      for (const end = Date.now() + 20_000; Date.now() < end; await pause(50)) if (await answers(port)) return;
      throw new Error(`nats-server does not answer on port ${port}`);
    },
  };
  await server.start();
  return server;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
