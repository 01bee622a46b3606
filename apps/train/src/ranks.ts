/** `mpirun -n N crossgate train CONFIG`: one of N processes that train together. Rank 0 alone prints. */
import { Writable } from 'node:stream';
import type { Collective } from '@crossgate/collective';
import { launchedRank, launchedRanks } from '@crossgate/collective/launch';
import { describeError, terminalText } from '@crossgate/core';
import { ExitCode, exitCodeOf, type Io, type ProgramDeclaration, runProgram, write } from '@crossgate/terminal';

/** Options that take a value and may stand before the command. */
const withValue = ['--adapter', '--seed'];

/** Whether a launcher started this process among others, to train. Other commands are programs of their own there. */
export function isRankOfJob(argv: readonly string[], env: Io['env']): boolean {
  const command = argv.find((word, at) => !word.startsWith('-') && !withValue.includes(argv[at - 1] ?? ''));
  return command === 'train' && (launchedRanks(env) ?? 1) > 1;
}

/**
 * Runs one command as a rank of a job.
 * @param programOf the program that knows the ranks
 * @returns the exit code of this rank
 */
export async function runAsRank(
  programOf: (collective: Collective) => ProgramDeclaration,
  argv: readonly string[],
  io: Io,
): Promise<number> {
  const { openMpi } = await import('@crossgate/collective/node');
  try {
    const job = await openMpi({ env: { ...io.env }, signal: io.signal });
    if (job.rank === 0) {
      const code = await runProgram(programOf(job), argv, io);
      await job.end(code, async () => {});
      return code;
    }
    const errors = new Kept();
    let isDone = false;
    const silent = { ...io, stdout: new Kept(), stderr: errors, stderrIsTerminal: false };
    const code = await runProgram(programOf(job), argv, silent, () => {
      isDone = true;
    });
    await job.end(code, async () => {
      // A rank that is told to stop after its result was ready ends with a code of its own, but has no error to show.
      if (!isDone) await write(io.stderr, `rank ${job.rank}: ${errors.last}\n`);
    });
    return code;
  } catch (error) {
    // Without MPI the processes know nothing of each other; the launcher says who is the first.
    if (launchedRank(io.env) === 0) await write(io.stderr, `error: ${terminalText(describeError(error))}\n`);
    return exitCodeOf(error) === ExitCode.done ? ExitCode.failed : exitCodeOf(error);
  }
}

/** Keeps the last of what is written, in place of showing it. */
class Kept extends Writable {
  last = '';

  override _write(chunk: Buffer | string, _: string, done: () => void): void {
    this.last = String(chunk).trimEnd();
    done();
  }
}
