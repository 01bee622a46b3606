/** A process that serves a fake run, for what only a process can show. Arguments: state file or -, parts. */
import { createServer, listen } from '../src';
import { fakeRun } from './fake-run';

const [state = '-', llmMs = '0'] = process.argv.slice(2);
const run = fakeRun({ llmMs: Number(llmMs) });
const server = await createServer(run, state === '-' ? {} : { state });
const listening = await listen(server, { port: 0 });
process.stdout.write(`${listening.port}\n`);
