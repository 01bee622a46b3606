/** `crossgate serve` of a page, and the questions that its `curl` lines ask. */
import { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { main } from '../../../apps/train/src/cli';

/** The exit code of a program that somebody ended. */
const INTERRUPTED = 130;

/** A server that runs. */
export interface Served {
  /** Asks as `curl ARGS` does. @throws Error unless the answer is a success in JSON */
  ask(args: readonly string[]): Promise<void>;
  /** Ends it. @throws Error when it did not end as it should */
  stop(): Promise<void>;
}

/** Starts `crossgate serve ARGS` on a free port. @throws Error when it ends by itself, with what it said */
export async function startServing(args: readonly string[], cwd: string): Promise<Served> {
  const interrupt = new AbortController();
  let said = '';
  const into = (take: (text: string) => void) =>
    new Writable({
      write(chunk, _encoding, done) {
        take(String(chunk));
        done();
      },
    });
  const stderr = into((text) => {
    said += text;
  });
  let ended: Promise<number> | undefined;
  // It says its address once it listens.
  const stdout = await new Promise<string>((resolve, reject) => {
    ended = main([...args, '--port', '0', '--json'], {
      ...{ stdin: Readable.from([]), stdout: into(resolve), stderr, stderrIsTerminal: false },
      ...{ env: {}, cwd, signal: interrupt.signal },
    });
    ended.then((code) => reject(new Error(`ended with ${code}: ${said.trim()}`)), reject);
  });
  const { url } = JSON.parse(stdout) as { url: string };
  return {
    async ask(words) {
      const { values, positionals } = parseArgs({
        args: [...words],
        allowPositionals: true,
        options: {
          silent: { type: 'boolean', short: 's' },
          header: { type: 'string', short: 'H', multiple: true, default: [] },
          data: { type: 'string', short: 'd' },
        },
      });
      const { pathname } = new URL(`http://${positionals[0]}`);
      const answer = await fetch(new URL(pathname, url), {
        method: values.data === undefined ? 'GET' : 'POST',
        headers: values.header.map((line): [string, string] => {
          const [name = '', value = ''] = line.split(/:\s*/, 2);
          return [name, value];
        }),
        ...(values.data !== undefined && { body: values.data }),
      });
      if (!answer.ok) throw new Error(`status ${answer.status}: ${await answer.text()}`);
      await answer.json();
    },
    async stop() {
      interrupt.abort();
      const code = await ended;
      if (code !== INTERRUPTED) throw new Error(`serve ended with ${code}: ${said.trim()}`);
    },
  };
}
