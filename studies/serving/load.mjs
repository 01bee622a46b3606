// Load of recommend requests, with every time and answer counted: by autocannon, each connection one request after
// another; and at a rate that does not wait for answers, with times from when a request was due.
import { Agent, request } from 'node:http';
import autocannon from 'autocannon';

const rounded = (/** @type {number} */ ms) => Math.round(ms * 10) / 10;

/** Counts answers. */
function counter() {
  /** @type {number[]} */
  const times = [];
  /** @type {Record<string, number>} */
  const statuses = {};
  let [degraded, full] = [0, 0];
  return {
    /**
     * @param {number | string} status
     * @param {number} [ms]
     */
    status(status, ms) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status === 200 && ms !== undefined) times.push(ms);
    },
    body(/** @type {string} */ text) {
      if (text.includes('"degraded":true')) degraded++;
      else if (text.includes('"basis"')) full++;
    },
    result(/** @type {number} */ seconds) {
      times.sort((a, b) => a - b);
      const at = (/** @type {number} */ share) =>
        rounded(times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0);
      return {
        ...{ p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1), statuses, degraded },
        perSecond: rounded(times.length / seconds),
        fullPerSecond: rounded(full / seconds),
      };
    },
  };
}

const headers = { 'content-type': 'application/json' };

/**
 * Some connections, each with one request after another.
 * @param {string} url of the server
 * @param {readonly string[]} bodies taken in turn; every connection begins elsewhere
 * @param {{ seconds?: number, amount?: number, connections: number }} how long, or how many
 */
export async function load(url, bodies, { seconds, amount, connections }) {
  const count = counter();
  const began = performance.now();
  let clients = 0;
  const { errors, timeouts } = await autocannon({
    ...{ url: `${url}/v1/recommend`, method: 'POST', connections, timeout: 30, headers },
    ...(amount === undefined ? { duration: seconds ?? 10 } : { amount }),
    requests: [{ body: bodies[0] ?? '' }],
    setupClient(client) {
      // Connections that asked for the same people at the same time would share work.
      const first = Math.floor((bodies.length * clients++) / connections);
      client.setRequests([...bodies.slice(first), ...bodies.slice(0, first)].map((body) => ({ body })));
      client.on('body', (body) => count.body(String(body)));
      client.on('response', (status, _bytes, time) => count.status(status, time));
    },
  });
  if (errors > 0) count.status('errors');
  if (timeouts > 0) count.status('timeouts');
  return { connections, ...count.result((performance.now() - began) / 1000) };
}

/**
 * Requests at a rate, whatever becomes of those before.
 * @param {string} url of the server
 * @param {readonly string[]} bodies taken in turn
 * @param {{ seconds: number, rate: number }} how long, and requests a second
 */
export async function loadAtRate(url, bodies, { seconds, rate }) {
  const count = counter();
  const agent = new Agent({ keepAlive: true, maxSockets: 2000 });
  /** @type {Set<Promise<void>>} */
  const open = new Set();
  /** @type {(body: string, due: number) => Promise<void>} */
  const send = (body, due) =>
    new Promise((resolve) => {
      const sent = request(`${url}/v1/recommend`, { agent, method: 'POST', headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => {
          count.status(answer.statusCode ?? 0, performance.now() - due);
          count.body(text);
          resolve();
        });
      });
      sent.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
        count.status(error.code ?? 'error');
        resolve();
      });
      sent.end(body);
    });
  const began = performance.now();
  for (let n = 0; n < rate * seconds; n++) {
    const due = began + (1000 * n) / rate;
    const wait = due - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    // Whoever falls behind still lets answers in.
    else if (n % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    const one = send(bodies[(n * 7919) % bodies.length] ?? '', due);
    open.add(one);
    one.then(() => open.delete(one));
  }
  await Promise.all(open);
  const result = count.result((performance.now() - began) / 1000);
  agent.destroy();
  return { rate, ...result };
}
