/** A long result in the making: a file of lines beside its place, that the same command goes on with. */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { InputError } from '@crossgate/core';
import { acquireLock, kindOf, type Lock, withPath } from '@crossgate/files';

/** What a part was begun with, in the order in which differences are named. JSON only. */
export type PartManifest = Readonly<Record<string, string | number | null>>;

/** First key of every manifest, so that no other file is taken for a part. */
const FORMAT = 'crossgate-part';
/** Milliseconds after which what was written is flushed to the disk again. */
const SYNC_MS = 5000;

/**
 * The file `OUT.part`: a line with the manifest, then one line for each finished unit of work, in order. Whatever ends
 * the process, whole lines stay; a torn last one is cut off. A lock beside it keeps others away. Close it.
 */
export class PartFile {
  #lines: number;
  #synced = performance.now();

  private constructor(
    /** Absolute path, `OUT.part`. */
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly lock: Lock,
    lines: number,
  ) {
    this.#lines = lines;
  }

  /**
   * Begins a part, or goes on with one.
   * @param out absolute path of the result; the part lies beside it
   * @param manifest all that the result depends on
   * @throws InputError `part.other` for a part of something else, `file.exists` for a file that is no part, and
   *   `file.locked` while another process is writing it
   */
  static async open(out: string, manifest: PartManifest): Promise<PartFile> {
    const path = `${out}.part`;
    await mkdir(dirname(path), { recursive: true });
    const lock = await acquireLock(`${path}.lock`, 'file');
    try {
      if ((await kindOf(path)) === 'folder')
        throw new InputError('is a folder', { code: 'file.kind', place: path, fix: 'move it away' });
      const handle = await open(path, 'a+');
      try {
        const { size, lines } = await wholeLines(handle);
        await handle.truncate(size);
        if (lines === 0) await handle.writeFile(`${JSON.stringify({ [FORMAT]: 1, ...manifest })}\n`);
        else await requireSame(path, manifest);
        return new PartFile(path, handle, lock, Math.max(0, lines - 1));
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Finished units. */
  get lines(): number {
    return this.#lines;
  }

  /**
   * Appends finished units.
   * @param values one for each; anything JSON can hold
   * @throws what the file system throws, with the path: what is whole stays
   */
  async append(values: readonly unknown[]): Promise<void> {
    try {
      await this.handle.writeFile(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
      this.#lines += values.length;
      if (performance.now() - this.#synced < SYNC_MS) return;
      await this.handle.datasync();
      this.#synced = performance.now();
    } catch (error) {
      throw withPath(error, this.path);
    }
  }

  /**
   * The finished units, in order.
   * @param check returns what is wrong with a value, or null
   * @throws InputError `file.damaged` naming the line of a value that is none
   */
  async *read<Value>(check: (value: Value) => string | null): AsyncGenerator<Value, void, undefined> {
    let line = 0;
    for await (const text of linesOf(this.path)) {
      if (++line === 1) continue;
      const value = parse(text) as Value | null | undefined;
      const problem = value == null ? 'is no JSON object' : check(value);
      if (problem === null) yield value as Value;
      else {
        throw new InputError(`${problem}; the file was changed or damaged`, {
          code: 'file.damaged',
          place: `${this.path}:${line}`,
          fix: 'delete it to start anew',
        });
      }
    }
  }

  /** Removes the part: the result is there. Close it afterwards all the same. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  /** Gives file and lock back. A part without a finished unit is removed. */
  async close(): Promise<void> {
    try {
      await this.handle.close();
      if (this.#lines === 0) await this.remove();
    } finally {
      await this.lock.release();
    }
  }
}

const linesOf = (path: string) =>
  createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });

/** Bytes and number of the lines that end with a line feed. */
async function wholeLines(handle: FileHandle): Promise<{ size: number; lines: number }> {
  const buffer = Buffer.alloc(1 << 20);
  let [position, size, lines] = [0, 0, 0];
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return { size, lines };
    const bytes = buffer.subarray(0, bytesRead);
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
      lines++;
      size = position + at + 1;
    }
    position += bytesRead;
  }
}

/** @throws InputError for a part that was begun with another manifest */
async function requireSame(path: string, manifest: PartManifest): Promise<void> {
  let first = '';
  for await (const text of linesOf(path)) {
    first = text;
    break;
  }
  const begun = parse(first) as PartManifest | null | undefined;
  if (typeof begun !== 'object' || begun?.[FORMAT] !== 1) {
    throw new InputError('is no part of a result', {
      code: 'file.exists',
      place: path,
      fix: 'move it away, or name another --out',
    });
  }
  const words = differenceOf(begun, manifest);
  if (words === null) return;
  throw new InputError(`was begun with ${words}`, {
    code: 'part.other',
    place: path,
    fix: 'repeat the command that began it, delete it to start anew, or name another --out',
  });
}

/** The first difference between what something was made with and what is asked for now, in words; null: there is none. */
export function differenceOf(made: PartManifest, now: PartManifest): string | null {
  // An earlier version may have made it, with fewer options.
  const key = Object.keys(now).find((name) => (made[name] ?? null) !== now[name]);
  if (key === undefined) return null;
  const values = [made[key], now[key]].map((value) => value ?? 'none');
  // A digest says nothing to a reader.
  const isDigest = values.some((value) => /^[0-9a-f]{64}$/.test(String(value)));
  return isDigest ? `another ${key}` : `${key} ${values[0]}, and now it is ${values[1]}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
