/** Fetches files of known size and SHA-256, going on where an earlier attempt stopped. Node only. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CrossgateError } from '@crossgate/core';
import { makeFolders } from './make-folders';
import { overNetwork, type Patience, pauseFor, RefusedError, refuseTransient, TransferError } from './patience';

/** A file to fetch. Its content is known by one digest, in lower-case hex. */
export type WantedFile = {
  /** Where it is fetched from, by GET. */
  readonly url: string;
  /** Its size; a server that sends more, or says another size, is refused. */
  readonly bytes: number;
  /** Sent along, such as `authorization`; where a redirect leads to another host, that one is left out. */
  readonly headers?: Readonly<Record<string, string>>;
} & (
  | {
      /** SHA-256 of the file, 64 hexadecimal digits. */
      readonly sha256: string;
      readonly gitBlob?: never;
    }
  | {
      /** SHA-1 of the file as a Git object, 40 hexadecimal digits. */
      readonly gitBlob: string;
      readonly sha256?: never;
    }
);

/** How a download waits and reports. Everything has a default. */
export interface DownloadOptions extends Patience {
  /** Called with the bytes that are there, `from` of them before this call. */
  progress?(bytes: number, total: number, from: number): void;
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  return info?.size ?? 0;
}

/** The digest of a file by which `wanted` is known. */
async function digestOf(path: string, wanted: WantedFile, signal: AbortSignal | undefined) {
  const hash = createHash(wanted.gitBlob === undefined ? 'sha256' : 'sha1');
  if (wanted.gitBlob !== undefined) hash.update(`blob ${wanted.bytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) })) {
    hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex');
}

/** Asks for the rest of the file. Returns the response and where its first byte belongs. */
async function request(wanted: WantedFile, have: number, signal: AbortSignal) {
  // Identity: a compressed transfer would have other sizes.
  const asked = have > 0 ? { range: `bytes=${have}-` } : {};
  const headers = { ...wanted.headers, 'accept-encoding': 'identity', ...asked };
  const response = await fetch(wanted.url, { headers, signal });
  const { status } = response;
  if (status === 416) return { response, from: -1 };
  refuseTransient(response);
  if (status !== 200 && status !== 206) throw new RefusedError(wanted.url, response);
  if (status === 200) {
    const length = Number(response.headers.get('content-length') ?? wanted.bytes);
    if (length !== wanted.bytes) {
      throw new CrossgateError(`has ${length} bytes, not the ${wanted.bytes} that are known; the file has changed`, {
        code: 'network.changed',
        place: wanted.url,
      });
    }
    return { response, from: 0 };
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  const total = range?.[2] === '*' ? wanted.bytes : Number(range?.[2]);
  if (range !== null && total !== wanted.bytes) {
    throw new CrossgateError(`has ${total} bytes, not the ${wanted.bytes} that are known; the file has changed`, {
      code: 'network.changed',
      place: wanted.url,
    });
  }
  // A server that sends another part than was asked for is asked for the whole.
  return { response, from: Number(range?.[1]) === have ? have : -1 };
}

/** One attempt: appends what the server sends to `partial`. */
function transfer(wanted: WantedFile, partial: string, options: DownloadOptions, began: number): Promise<void> {
  return overNetwork(options, async (alive, signal) => {
    const { response, from } = await request(wanted, await sizeOf(partial), signal);
    if (from < 0) {
      await response.body?.cancel();
      await rm(partial, { force: true });
      throw new TransferError('the server cannot go on where the transfer stopped');
    }
    const file = await open(partial, from === 0 ? 'w' : 'a');
    try {
      let bytes = from;
      for await (const chunk of response.body ?? []) {
        alive();
        bytes += chunk.length;
        if (bytes > wanted.bytes) {
          await rm(partial, { force: true });
          throw new CrossgateError(`sends more than the ${wanted.bytes} bytes that are known; the file has changed`, {
            code: 'network.changed',
            place: wanted.url,
          });
        }
        await file.writeFile(chunk);
        options.progress?.(bytes, wanted.bytes, began);
      }
      if (bytes < wanted.bytes) throw new TransferError('the connection was closed early');
    } finally {
      await file.close();
    }
  });
}

/**
 * Fetches a file to `path`, which appears by rename once size and digest are right. What came so far is kept in
 * `path.partial`; a later call goes on from there (an HTTP range), also after a broken connection in the same call.
 *
 * @throws RefusedError when the server refuses; Error when it sends another file or stops answering; the signal's reason
 *   when aborted
 */
export async function downloadFile(wanted: WantedFile, path: string, options: DownloadOptions = {}): Promise<void> {
  const partial = `${path}.partial`;
  await makeFolders(dirname(resolve(path)), 'name another place');
  const began = await sizeOf(partial);
  // A part of another session may be of another file: then the whole is fetched once more.
  let restarts = began > 0 ? 1 : 0;
  for (let fruitless = 0; ; ) {
    options.signal?.throwIfAborted();
    const before = await sizeOf(partial);
    if (before > wanted.bytes) await rm(partial);
    if (before === wanted.bytes) {
      // A file without bytes has no part yet.
      if (before === 0) await (await open(partial, 'a')).close();
      const [name, known] =
        wanted.gitBlob === undefined ? ['SHA-256', wanted.sha256] : ['SHA-1 of the Git object', wanted.gitBlob];
      const digest = await digestOf(partial, wanted, options.signal);
      if (digest === known) break;
      await rm(partial);
      if (restarts-- > 0) continue;
      throw new CrossgateError(`${name} is ${digest}, not the known ${known}; the file was not kept`, {
        code: 'network.changed',
        place: wanted.url,
      });
    }
    try {
      await transfer(wanted, partial, options, began);
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      const after = await sizeOf(partial);
      fruitless = after > before ? 1 : fruitless + 1;
      if (fruitless >= (options.attempts ?? 5)) {
        const fix = after > 0 ? `${after} of ${wanted.bytes} bytes are kept, run it again to go on` : undefined;
        throw new CrossgateError(error.message, { code: 'network.failed', place: wanted.url, fix });
      }
      await pauseFor(fruitless, options);
    }
  }
  await rename(partial, path);
}
