/** What every command does with its report, and how it shows steps. */
import { join, resolve } from 'node:path';
import { InputError, type ProgressTask, throwIfInterrupted } from '@crossgate/core';
import { makeFolders, writeAtomic } from '@crossgate/files';
import { type Profiler, profileFiles } from '@crossgate/gpu';
import type { CommandContext } from '@crossgate/terminal';

/**
 * Writes the report to a file where one is named, then prints it.
 * @param out as the user gave it
 * @throws InputError naming the file when it cannot be written
 */
export async function emitReport<Report>(
  context: CommandContext,
  report: Report,
  out: string | undefined,
  format: (report: Report) => string,
): Promise<void> {
  if (out !== undefined) {
    const path = resolve(context.io.cwd, out);
    await writeAtomic(path, `${JSON.stringify(report, null, 2)}\n`).catch((error: Error) => {
      throw new InputError(`cannot be written (${error.message})`, {
        code: 'file.path',
        place: path,
        fix: 'give another --out',
      });
    });
  }
  await context.emit(report, () => format(report));
}

/**
 * Writes what a profiler measured into a folder of the name of what it measured.
 * @param profile the option `--profile`: a folder, `profile` by default
 */
export async function writeProfile(
  { io, log }: CommandContext,
  profiler: Profiler,
  profile: string | true | undefined,
  name: string,
): Promise<void> {
  const all = resolve(io.cwd, typeof profile === 'string' ? profile : 'profile');
  const folder = join(all, name.replaceAll(' ', '-'));
  await makeFolders(folder, 'choose another --profile');
  for (const [file, text] of profileFiles(profiler)) await writeAtomic(join(folder, file), text);
  log.info(`profile: ${join(folder, 'profile.txt')}`);
}

/** Shows steps whose number is known once they run. */
export class Steps {
  #task: ProgressTask | undefined;

  constructor(
    private readonly context: CommandContext,
    private readonly label: string,
    private readonly unit: string,
  ) {}

  /** @throws InterruptedError once the user stops the command */
  update(done: number, total: number, note?: string): void {
    throwIfInterrupted(this.context.io.signal);
    this.#task ??= this.context.progress.start(this.label, total, this.unit);
    this.#task.update(done, note);
  }

  /** Removes what is shown. */
  finish(): void {
    this.#task?.finish();
  }
}
