// How fast `crossgate serve` answers, what it does beyond its limits, and what hostile requests and kills do to it.
// Needs finished runs:
//   npm run -s example -- studies/serving/main.mjs OUT NAME=RUN… [--seconds 10] [--requests 20000] [--kills 10]
//     [--candidates N] [--only PART,…]
// Parts: ladder, steady, overload, memory, hostile, kills. Loopback only. About 4 minutes a run with the defaults.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sendHostile } from './hostile.mjs';
import { killDuringEvents } from './kills.mjs';
import { load, loadAtRate } from './load.mjs';
import { startServer } from './server.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    requests: { type: 'string', default: '20000' },
    hostile: { type: 'string', default: '2000' },
    kills: { type: 'string', default: '10' },
    candidates: { type: 'string' },
    only: { type: 'string', default: 'ladder,steady,overload,memory,hostile,kills' },
  },
});
const [out, ...named] = positionals;
if (out === undefined || named.length === 0 || named.some((text) => !text.includes('='))) {
  process.stderr.write('usage: main.mjs OUT NAME=RUN… (see the head of the file)\n');
  process.exit(2);
}
const seconds = Number(values.seconds);
const parts = new Set(values.only.split(','));
const say = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);

/** @typedef {Awaited<ReturnType<typeof startServer>>} Server */
/** @typedef {Awaited<ReturnType<typeof load>> & { rate?: number }} Load */
/**
 * What was measured of one run.
 * @typedef {{ name: string, method: string, adapter: string, parts: Server['parts'], users: number, candidates?: number,
 *   ladder?: Load[],
 *   steady?: Awaited<ReturnType<typeof loadAtRate>>,
 *   overload?: Awaited<ReturnType<typeof loadAtRate>> & { saturation: number },
 *   memory?: Awaited<ReturnType<typeof memoryOver>>,
 *   hostile?: Awaited<ReturnType<typeof sendHostile>> & { alive?: boolean },
 *   stop?: Awaited<ReturnType<Server['stop']>>, kills?: Awaited<ReturnType<typeof killDuringEvents>> }} Found
 */

/**
 * Bodies that ask lists of ten for many users.
 * @param {string} url of the server
 */
async function bodiesOf(url) {
  const answer = await fetch(`${url}/v1/users?limit=1000`);
  const { users } = /** @type {{ users: string[] }} */ (await answer.json());
  return users.map((user) => JSON.stringify({ user, top: 10 }));
}

/**
 * Measures one run.
 * @param {string} name
 * @param {string} run path of the run folder
 */
async function measure(name, run) {
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-serving-'));
  const state = join(folder, 'state.db');
  const { candidates } = values;
  const server = await startServer(run, ['--state', state, ...(candidates ? ['--candidates', candidates] : [])]);
  const { url } = server;
  const bodies = await bodiesOf(url);
  /** @type {Found} */
  const found = { name, method: server.method, adapter: server.adapter, parts: server.parts, users: bodies.length };
  if (candidates) found.candidates = Number(candidates);
  try {
    say(`${name}: warm-up`);
    await load(url, bodies, { seconds: Math.min(3, seconds), connections: 2 });
    if (parts.has('ladder')) {
      found.ladder = [];
      for (const connections of [1, 2, 4, 8, 16, 32]) {
        const rung = await load(url, bodies, { seconds, connections });
        found.ladder.push(rung);
        say(`${name}: ${connections} at a time: ${rung.perSecond} a second, p99 ${rung.p99} ms`);
      }
    }
    if (parts.has('steady')) {
      found.steady = await loadAtRate(url, bodies, { seconds, rate: 200 });
      say(`${name}: 200 a second: p50 ${found.steady.p50} ms, p99 ${found.steady.p99} ms`);
    }
    if (parts.has('overload')) {
      const rungs = found.ladder ?? [await load(url, bodies, { seconds, connections: 32 })];
      const most = Math.max(...rungs.map(({ fullPerSecond }) => fullPerSecond));
      const rate = Math.max(4, Math.ceil(2 * most));
      found.overload = { saturation: most, ...(await loadAtRate(url, bodies, { seconds, rate })) };
      say(`${name}: ${rate} a second asked, twice what saturates: ${JSON.stringify(found.overload.statuses)}`);
    }
    if (parts.has('memory')) {
      found.memory = await memoryOver(server, bodies, Number(values.requests));
      say(`${name}: memory by quarters, MB: ${found.memory.quarters.join(', ')}`);
    }
    if (parts.has('hostile')) {
      const sent = await sendHostile(server.port, Number(values.hostile));
      found.hostile = { ...sent, alive: server.alive() && (await fetch(`${url}/readyz`)).status === 200 };
      say(`${name}: hostile requests: ${JSON.stringify(found.hostile.statuses)}`);
    }
    found.stop = await server.stop();
    if (parts.has('kills')) {
      found.kills = await killDuringEvents(run, join(folder, 'kills.db'), Number(values.kills));
      say(`${name}: kills: ${JSON.stringify(found.kills)}`);
    }
  } finally {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  }
  return found;
}

/**
 * Mean resident memory in each quarter of many requests, after half as many that let the engine settle: it compiles what
 * runs often, and gives memory back that only the start needed.
 * @param {Server} server
 * @param {readonly string[]} bodies
 * @param {number} amount
 */
async function memoryOver(server, bodies, amount) {
  /** @type {number[]} */
  const samples = [];
  await load(server.url, bodies, { amount: Math.ceil(amount / 2), connections: 8 });
  const timer = setInterval(() => samples.push(server.memory()), 50);
  const result = await load(server.url, bodies, { amount, connections: 8 });
  clearInterval(timer);
  const quarter = (/** @type {number} */ n) => samples.slice((samples.length * n) / 4, (samples.length * (n + 1)) / 4);
  const mean = (/** @type {readonly number[]} */ list) =>
    Math.round(list.reduce((sum, value) => sum + value, 0) / Math.max(1, list.length) / 1e5) / 10;
  const quarters = [0, 1, 2, 3].map((n) => mean(quarter(n)));
  return {
    requests: amount,
    quarters,
    lastToSecond: (quarters[3] ?? 0) / (quarters[1] ?? 1),
    statuses: result.statuses,
  };
}

const percent = (/** @type {number} */ value) => `${(100 * value).toFixed(1)} %`;
const countsOf = (/** @type {Record<string, number>} */ statuses) =>
  Object.entries(statuses)
    .map(([status, count]) => `${count} × ${status}`)
    .join(', ');

/**
 * The page of all results.
 * @param {readonly Found[]} results
 * @param {{ date: string, commit: string, cores: number, cpu: string, node: string }} facts
 */
function page(results, facts) {
  const lines = [
    `# Serving`,
    '',
    `${facts.date}, commit ${facts.commit}, ${facts.cores} × ${facts.cpu}, Node ${facts.node}.`,
  ];
  lines.push('Server and load share the cores. Made by `studies/serving/main.mjs`; times are those of clients.', '');
  for (const found of results) {
    const kind = found.parts.llm ? (found.parts.cf ? 'CF and language model' : 'language model') : 'CF alone';
    const among = found.candidates ? `, ${found.candidates} candidates` : '';
    lines.push(
      `## ${found.name}`,
      '',
      `${found.method} (${kind}), ${found.adapter}, ${found.users} users${among}.`,
      '',
    );
    if (found.ladder) {
      lines.push(
        '| at a time | answers a second | of these in full | p50 | p95 | p99 | statuses |',
        '|---|---|---|---|---|---|---|',
      );
      for (const rung of found.ladder) {
        const times = [rung.p50, rung.p95, rung.p99].map((ms) => `${ms} ms`).join(' | ');
        lines.push(
          `| ${rung.connections} | ${rung.perSecond} | ${rung.fullPerSecond} | ${times} | ${countsOf(rung.statuses)} |`,
        );
      }
      lines.push('');
    }
    const { steady, overload, memory, hostile, kills } = found;
    if (steady)
      lines.push(`- 200 requests a second: p50 ${steady.p50} ms, p95 ${steady.p95} ms, p99 ${steady.p99} ms.`);
    if (overload) {
      lines.push(
        `- ${overload.rate} requests a second, twice what saturates: ${countsOf(overload.statuses)}; ` +
          `${overload.degraded} of the answers in the order of CF; p99 ${overload.p99} ms.`,
      );
    }
    if (memory) {
      lines.push(
        `- Memory over ${memory.requests} requests, by quarters: ${memory.quarters.join(', ')} MB; ` +
          `the last is ${percent(memory.lastToSecond)} of the second.`,
      );
    }
    if (hostile) {
      const end = hostile.alive ? 'the same process answers afterwards' : 'THE PROCESS ENDED';
      lines.push(
        `- ${hostile.sent} hostile requests: ${countsOf(hostile.statuses)}; ${hostile.faults.length} faults; ${end}.`,
      );
    }
    if (kills) {
      lines.push(`- ${kills.rounds} kills during events: ${kills.acknowledged} acknowledged, ${kills.lost} lost.`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

const git = (/** @type {string[]} */ ...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
const facts = {
  date: new Date().toISOString().slice(0, 10),
  commit: git('rev-parse', '--short', 'HEAD'),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  kernel: release(),
  node: process.versions.node,
};
/** @type {Found[]} */
const results = [];
for (const text of named) {
  const at = text.indexOf('=');
  results.push(await measure(text.slice(0, at), resolve(text.slice(at + 1))));
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'serving.json'), `${JSON.stringify({ ...facts, results }, null, 2)}\n`);
  await writeFile(join(out, 'README.md'), page(results, facts));
}
const bad = results.filter(
  ({ hostile, kills, overload }) =>
    (hostile && (hostile.faults.length > 0 || !hostile.alive)) ||
    (kills && kills.lost > 0) ||
    (overload && Object.keys(overload.statuses).some((status) => status !== '200' && status !== '429')),
);
process.exit(bad.length > 0 ? 1 : 0);
