/** The program in-process, as a shell would start it, away from a terminal. */
import { Readable, Writable } from 'node:stream';
import { main } from '../src/cli';

/** Runs a command line to its end. */
export async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts = ['', ''];
  const sink = (index: number) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        texts[index] += chunk.toString();
        done();
      },
    });
  const { signal } = new AbortController();
  const surroundings = { stdin: Readable.from([]), env: {}, cwd: process.cwd() };
  const io = { ...surroundings, stdout: sink(0), stderr: sink(1), stderrIsTerminal: false, signal };
  const code = await main(argv, io);
  return { code, stdout: texts[0]!, stderr: texts[1]! };
}
