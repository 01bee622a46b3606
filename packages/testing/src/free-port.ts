/** A port that nobody listens at, for servers that want to be told one. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A free port of 127.0.0.1. Somebody else may take it before it is used. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
