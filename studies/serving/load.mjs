// Load of recommend requests by autocannon, with every time and answer counted.
import autocannon from 'autocannon';

const rounded = (ms) => Math.round(ms * 10) / 10;

/**
 * @param {string} url of the server
 * @param {readonly string[]} bodies taken in turn
 * @param {{ seconds?: number, amount?: number, connections: number, rate?: number }} how long, how many, how often
 */
export async function load(url, bodies, { seconds, amount, connections, rate }) {
  const times = [];
  const statuses = {};
  let [degraded, full] = [0, 0];
  const began = performance.now();
  const instance = autocannon({
    ...{ url: `${url}/v1/recommend`, method: 'POST', connections, timeout: 30 },
    headers: { 'content-type': 'application/json' },
    requests: bodies.map((body) => ({ body })),
    ...(amount === undefined ? { duration: seconds } : { amount }),
    ...(rate !== undefined && { overallRate: rate }),
    setupClient(client) {
      client.on('body', (body) => {
        const text = String(body);
        if (text.includes('"degraded":true')) degraded++;
        else if (text.includes('"basis"')) full++;
      });
    },
  });
  instance.on('response', (_client, status, _bytes, time) => {
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status === 200) times.push(time);
  });
  const { errors, timeouts } = await instance;
  const passed = (performance.now() - began) / 1000;
  if (errors > 0) statuses.errors = errors;
  if (timeouts > 0) statuses.timeouts = timeouts;
  times.sort((a, b) => a - b);
  const at = (share) => rounded(times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0);
  return {
    ...{ connections, rate, p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1), statuses, degraded },
    perSecond: rounded(times.length / passed),
    fullPerSecond: rounded(full / passed),
  };
}
