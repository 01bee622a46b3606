/** Runs a command in-process and gathers what it says. */
import { Readable, Writable } from 'node:stream';
import { expect } from 'vitest';
import { main } from '../src/cli';

/** What a command left. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function gather(): { stream: Writable; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => chunks.join('') };
}

/** Runs `crossgate ARGS` in `cwd`. The environment is empty unless given. */
export async function runCli(
  argv: readonly string[],
  options: { cwd: string; env?: Record<string, string>; signal?: AbortSignal },
): Promise<Outcome> {
  const [stdout, stderr] = [gather(), gather()];
  const code = await main(argv, {
    stdin: Readable.from([]),
    stdout: stdout.stream,
    stderr: stderr.stream,
    stderrIsTerminal: false,
    env: options.env ?? {},
    cwd: options.cwd,
    signal: options.signal ?? new AbortController().signal,
  });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** What standard output holds after a failure with `--json`. */
export const jsonFailure = {
  error: expect.objectContaining({ code: expect.any(String), message: expect.any(String) }),
};
