// Kills a server while it takes events, and looks whether the next one knows all that were acknowledged.
import { startServer } from './server.mjs';

/**
 * @param {string} url of the server
 * @param {readonly object[]} events
 * @returns {Promise<{ accepted: number }>}
 */
const post = async (url, events) => {
  const answer = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  return /** @type {Promise<{ accepted: number }>} */ (answer.json());
};

/**
 * @param {string} run path of the run folder
 * @param {string} state path of the state file
 * @param {number} rounds kills
 */
export async function killDuringEvents(run, state, rounds) {
  /** @type {object[]} */
  const acknowledged = [];
  let sent = 0;
  for (let round = 0; round < rounds; round++) {
    const server = await startServer(run, ['--state', state]);
    const answer = await fetch(`${server.url}/v1/items?limit=100`);
    const { items } = /** @type {{ items: { item: string }[] }} */ (await answer.json());
    const client = async () => {
      while (server.alive()) {
        const events = Array.from({ length: 5 }, () => {
          const n = sent++;
          return { id: `e${n}`, user: `u${n % 50}`, item: items[n % items.length]?.item, label: n % 2, timestamp: n };
        });
        try {
          await post(server.url, events);
        } catch {
          return;
        }
        acknowledged.push(...events);
      }
    };
    const clients = [client(), client(), client(), client()];
    // Some time into the stream, another one each round.
    await new Promise((resolve) => setTimeout(resolve, 300 + ((round * 137) % 400)));
    await server.kill();
    await Promise.all(clients);
  }
  const server = await startServer(run, ['--state', state]);
  let lost = 0;
  for (let at = 0; at < acknowledged.length; at += 1000) {
    lost += (await post(server.url, acknowledged.slice(at, at + 1000))).accepted;
  }
  await server.kill();
  return { rounds, acknowledged: acknowledged.length, lost };
}
