/** `npm run web`: serves the page that works in the browser, with a run beside it. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CrossgateError } from '@crossgate/core';
import { findServed } from './served';
import { servePage } from './server';

const help = `Usage: npm run web -- [RUN] [options]

Serves a page that opens a run, recommends, trains and measures in the browser.
RUN is the folder of a finished run. Default: the newest CCF-LLM of \`npm run demo\`.

  --model PATH   the run's language model; default: what its config names
  --port N       default 8090; 0: any free one
  --host HOST    default 127.0.0.1; browsers have WebGPU on localhost and over HTTPS alone

Examples:
  npm run web
  npm run web -- runs/demo-1/ccf --port 9000
`;

/** The newest finished CCF-LLM that a demo left. */
function newestDemo(): string | undefined {
  const demos = existsSync('runs') ? readdirSync('runs').filter((name) => name.startsWith('demo-')) : [];
  const runs = demos.map((name) => join('runs', name, 'ccf')).filter((run) => existsSync(join(run, 'result.json')));
  const age = (run: string) => statSync(join(run, 'result.json')).mtimeMs;
  return runs.sort((a, b) => age(b) - age(a))[0];
}

async function main(): Promise<number> {
  const options = {
    model: { type: 'string' },
    port: { type: 'string', default: '8090' },
    host: { type: 'string', default: '127.0.0.1' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    process.stderr.write(`web: ${(error as Error).message}\n`);
    return 2;
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65535 || positionals.length > 1) {
    const problem = positionals.length > 1 ? 'takes one run' : `--port ${values.port} is no port (0 to 65535)`;
    process.stderr.write(`web: ${problem}; see npm run web -- --help\n`);
    return 2;
  }
  const run = positionals[0] ?? newestDemo();
  const served = run === undefined ? null : await findServed(run, values.model);
  const page = fileURLToPath(new URL('./page/', import.meta.url));
  const server = await servePage({ page, served, port, host: values.host });
  const what = run === undefined ? 'no run beside it: npm run demo makes one' : `with ${run}`;
  process.stdout.write(`${server.url}  (${what}; Ctrl-C ends it)\n`);
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await ended;
  await server.close();
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CrossgateError)) throw error;
  process.stderr.write(`web: ${error.message}\n`);
  process.exitCode = 2;
}
