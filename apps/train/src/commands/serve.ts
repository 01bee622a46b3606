/** `crossgate serve`: a finished run over HTTP. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CrossgateError, InputError } from '@crossgate/core';
import { openLiveRun } from '@crossgate/experiment';
import { readText } from '@crossgate/files';
import type { ServeOptions as ServerOptions } from '@crossgate/serve';
import type { CommandContext, Host } from '@crossgate/terminal';
import { collect, wholeNumber } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { sessionOf } from '../session';
import { NEWER, parseCount, SET_FOR_RUN } from './options';

/** Bytes of a file of tokens. */
const TOKENS_LIMIT = 2 ** 16;

/** Bits of a file's mode by which everybody may read or write it. */
const OTHERS = 0o006;

interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly candidates: number;
  readonly state?: string;
  readonly events?: string;
  readonly items?: string;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
  readonly cors?: readonly string[];
  readonly deadline: number;
  readonly queue: number;
  readonly rate: number;
  readonly set?: readonly string[];
}

export function registerServe(program: Command, host: Host): void {
  const command = host
    .add(program, 'serve <run>', 'Answer over HTTP with a finished run', [
      'serve runs/ccf-1',
      'serve runs/ccf-1 --port 8000 --state runs/ccf-1/state.db',
      'serve runs/ccf-1 --host 0.0.0.0 --token-file tokens.txt --cors https://shop.example',
    ])
    .option('--port <n>', 'port to listen on; 0: any free one', wholeNumber(0, 65_535), 8080)
    .option('--host <address>', 'address to listen on; any but this machine alone needs a token', '127.0.0.1')
    .option('--candidates <n>', 'items that CF hands to the language model', parseCount, 200)
    .option('--state <file>', 'SQLite file that keeps new events and items; made if it is not there')
    .option(...NEWER.events)
    .option(...NEWER.items)
    .option('--token-file <file>', 'tokens, one a line, of which a request must bring one; also CROSSGATE_TOKEN')
    .option('--insecure', 'listen on any address without a token')
    .option('--cors <origin>', 'let pages of this origin ask (repeatable)', collect)
    .option('--deadline <ms>', 'time after which a list is given in the order of CF', wholeNumber(1, 600_000), 2000)
    .option('--queue <n>', 'requests that may wait; more are refused with 429', wholeNumber(1, 100_000), 256)
    .addOption(
      new Option('--rate <n>', 'requests a second with one token').argParser(wholeNumber(1, 1_000_000)).default(1000),
    )
    .option(...SET_FOR_RUN, collect)
    .addHelpText(
      'after',
      '\nCtrl-C or SIGTERM answers what has begun and ends; once more ends at once. A lost GPU ends the process with' +
        '\nexit code 1: let a supervisor start it anew. The endpoints are listed at /openapi.json.',
    );
  host.handle<ServeOptions>(command, async (context, options, [path]) => {
    const { cwd, signal } = context.io;
    // Loaded here: other commands need no server.
    const serving = await import('@crossgate/serve');
    const { checkAddress, checkOptions, createServer, isLoopback, listen, LOOPBACK, warmUp } = serving;
    const tokens = await tokensOf(context, options);
    const isLocal = isLoopback(options.host);
    if (!isLocal && tokens.length === 0 && !options.insecure) {
      throw new InputError(`${options.host} can be reached from other machines, and there is no token`, {
        code: 'usage',
        place: '--host',
        fix: 'name a --token-file, set CROSSGATE_TOKEN, or add --insecure to let everybody in',
      });
    }
    const { events, items, port, host: address } = options;
    const own: ServerOptions = {
      ...{ candidates: options.candidates, deadline: options.deadline, queue: options.queue, rate: options.rate },
      ...{ tokens, log: context.log, processMetrics: true },
      ...(options.state !== undefined && { state: resolve(cwd, options.state) }),
      ...(options.cors && { cors: options.cors }),
      // A page that points a name of its own here has no token.
      ...(isLocal && tokens.length === 0 && { hosts: [...LOOPBACK, address] }),
    };
    // A model may take minutes to open.
    checkOptions(own);
    await checkAddress(port, address);
    // Ctrl-C stops what is being opened; later it must not stop what is being answered.
    const opening = new AbortController();
    const stopOpening = () => opening.abort();
    if (signal.aborted) stopOpening();
    signal.addEventListener('abort', stopOpening);
    let isLost = false;
    const session = sessionOf({ ...context, io: { ...context.io, signal: opening.signal } });
    await using _session = closing(session, () => isLost);
    const run = await openLiveRun(session, path!, { set: options.set ?? [], files: { events, items } });
    await using _run = closing(run, () => isLost);
    await warmUp(run, { candidates: options.candidates, signal: opening.signal });
    await using server = await createServer(run, { ...own, lost: (await session.device()).gpu.lost });
    await using listening = await listen(server, { port, host: address });
    signal.removeEventListener('abort', stopOpening);
    const { url } = listening;
    if (!isLocal && tokens.length === 0) context.log.warn('everybody who reaches this address may ask: --insecure');
    const { method, model, adapter, parts } = run;
    await context.emit(
      { url, port: listening.port, method, model, adapter, parts },
      () => `${method} ${model} answers at ${url}`,
    );
    const stopped = new Promise<void>((done) => {
      if (signal.aborted) done();
      signal.addEventListener('abort', () => done(), { once: true });
    });
    const lost = await Promise.race([stopped, server.lost]);
    isLost = lost !== undefined;
    await listening.close();
    if (lost && !signal.aborted)
      throw new CrossgateError(`stopped: ${lost.message}`, { code: 'gpu.lost', cause: lost });
  });
}

/** Closes something that waits for its last call; for a moment only once the GPU is lost, since that call may hang. */
function closing(thing: AsyncDisposable, isLost: () => boolean): AsyncDisposable {
  const moment = () => new Promise<void>((resolve) => setTimeout(resolve, 3000).unref());
  return {
    async [Symbol.asyncDispose]() {
      const closed = thing[Symbol.asyncDispose]();
      await (isLost() ? Promise.race([closed, moment()]) : closed);
    },
  };
}

/** The tokens of the file and of the environment. @throws InputError for a file without any */
async function tokensOf({ io, log }: CommandContext, { tokenFile }: ServeOptions): Promise<string[]> {
  const { readTokens } = await import('@crossgate/serve');
  const own = io.env.CROSSGATE_TOKEN?.trim();
  const ofEnvironment = own ? readTokens(own, 'CROSSGATE_TOKEN') : [];
  if (tokenFile === undefined) return ofEnvironment;
  const path = resolve(io.cwd, tokenFile);
  const ofFile = readTokens(await readText(path, 'file of tokens', TOKENS_LIMIT), path);
  const { mode } = await stat(path);
  if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
    log.warn(`${tokenFile} is open to every user of this machine: chmod o-rw ${tokenFile}`);
  }
  return [...ofFile, ...ofEnvironment];
}
