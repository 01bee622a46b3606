// The hostile requests of the package's tests, as many as are wanted.
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../../packages/serve/test/hostile-requests.ts', import.meta.url));

/**
 * Everything that the server says to some bytes until it closes; after 20 s this side does.
 * @param {number} port
 * @param {string} wire latin1
 * @returns {Promise<string>}
 */
function exchange(port, wire) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const timer = setTimeout(() => socket.destroy(), 20_000);
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.write(wire, 'latin1');
  });
}

/**
 * Sends them, 16 at a time.
 * @param {number} port
 * @param {number} count
 */
export async function sendHostile(port, count) {
  const { outputFiles } = await build({ entryPoints: [source], write: false, format: 'esm' });
  const module = `data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`;
  /** @type {{ hostileRequests: () => { name: string, wire: string }[] }} */
  const { hostileRequests } = await import(module);
  const all = hostileRequests().slice(0, count);
  /** @type {Record<string, number>} */
  const statuses = {};
  /** @type {{ name: string, answer: string }[]} */
  const faults = [];
  const next = all[Symbol.iterator]();
  const send = async () => {
    for (const { name, wire } of next) {
      const text = await exchange(port, wire);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 'none';
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status.startsWith('5')) faults.push({ name, answer: text.slice(0, 300) });
    }
  };
  await Promise.all(Array.from({ length: 16 }, send));
  return { sent: all.length, statuses, faults };
}
