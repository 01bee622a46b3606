/** Fetches files of known size and SHA-256, going on where an earlier attempt stopped. Node only. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import zlib from 'node:zlib';
import { CrossgateError } from '@crossgate/core';
import type { Response } from 'undici';
import { makeFolders } from './make-folders';
import {
  type Exchange,
  type NetworkOptions,
  overNetwork,
  pauseFor,
  RefusedError,
  refuseTransient,
  shownUrl,
  TransferError,
} from './patience';

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
export interface DownloadOptions extends NetworkOptions {
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

const changed = (wanted: WantedFile, problem: string, fix?: string): CrossgateError =>
  new CrossgateError(problem, { code: 'network.changed', place: shownUrl(wanted.url), fix });

/** What is known of an answer before its body is read. */
interface Begun {
  readonly response: Response;
  /** Where its first byte belongs in the file; undefined where the server cannot go on from where we are. */
  readonly from: number | undefined;
}

/** Ways of packing a body. Whatever else a server writes there, such as `aws-chunked`, changes no byte. */
const PACKED: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'compress', 'x-compress']);

/** Those that fetch undoes; zstd from Node 22.15 on. */
const UNPACKED: ReadonlySet<string> = new Set(
  ['gzip', 'x-gzip', 'deflate', 'br', 'zstd'].filter((coding) => coding !== 'zstd' || 'createZstdDecompress' in zlib),
);

/**
 * Whether the body was packed: then its length, and ranges of it, are those of what is packed.
 * @throws CrossgateError for one that nobody unpacks: fetch leaves a body alone that has one other coding
 */
function isPacked({ headers, url }: Response, through: string): boolean {
  const text = headers.get('content-encoding') ?? '';
  const codings = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  if (!codings.some((coding) => PACKED.has(coding))) return false;
  if (codings.every((coding) => UNPACKED.has(coding))) return true;
  throw new CrossgateError(`the answer is packed by ${text}, though it was asked for as it is${through}`, {
    code: 'network.changed',
    place: shownUrl(url),
    fix: 'a proxy or CDN on the way packs it: name another address, or go without it',
  });
}

/** Whether an answer looks like a page for people. */
function isPage({ headers }: Response, start: Uint8Array): boolean {
  if (/^(text\/html|application\/xhtml)/i.test(headers.get('content-type') ?? '')) return true;
  const beginning = Buffer.from(start.subarray(0, 64)).toString('latin1').replace('\xef\xbb\xbf', '').trimStart();
  return /^<(!doctype html|html)/i.test(beginning);
}

/** A login page of a network or a proxy, or an error page: it comes with status 200, often from another host. */
function pageInstead(wanted: WantedFile, { url }: Response, through: string): CrossgateError {
  const host = URL.canParse(url) ? new URL(url).host : 'the server';
  return changed(
    wanted,
    `${host} sends a web page in place of the file${through}`,
    'a network, proxy or mirror may ask for a login: open the address in a browser',
  );
}

/** Asks for the rest of the file. */
async function begin(wanted: WantedFile, have: number, { send, through }: Exchange): Promise<Begun> {
  // Identity: where the server packs all the same, the body comes unpacked, but there are no ranges of it.
  const asked = have > 0 ? { range: `bytes=${have}-` } : {};
  const response = await send({ ...wanted.headers, 'accept-encoding': 'identity', ...asked });
  const { status } = response;
  if (status === 416) return { response, from: undefined };
  refuseTransient(response, through());
  if (status !== 200 && status !== 206) throw new RefusedError(wanted.url, response, through());
  const packed = isPacked(response, through());
  const check = (length: number) => {
    if (length === wanted.bytes) return;
    if (isPage(response, new Uint8Array())) throw pageInstead(wanted, response, through());
    throw changed(wanted, `has ${length} bytes, not the ${wanted.bytes} that are known; the file has changed`);
  };
  if (status === 200) {
    const length = response.headers.get('content-length');
    if (length !== null && !packed) check(Number(length));
    return { response, from: 0 };
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  // A server that sends another part than was asked for, or a part of the packed file, is asked for the whole.
  if (range === null || packed) return { response, from: undefined };
  if (range[2] !== '*') check(Number(range[2]));
  return { response, from: Number(range[1]) === have ? have : undefined };
}

/** One attempt: appends what the server sends to `partial`. */
function transfer(wanted: WantedFile, partial: string, options: DownloadOptions, began: number): Promise<void> {
  return overNetwork(wanted.url, options, async (exchange) => {
    const have = await sizeOf(partial);
    const { response, from } = await begin(wanted, have, exchange);
    if (from === undefined) {
      await response.body?.cancel();
      await rm(partial, { force: true });
      throw new TransferError('the server cannot go on where the transfer stopped');
    }
    let file: FileHandle | undefined;
    let bytes = from;
    let page = false;
    try {
      for await (const chunk of response.body ?? []) {
        exchange.alive();
        if (file === undefined) {
          page = isPage(response, chunk);
          // What came before is worth more than a page that may be in its place.
          if (page && from < have) throw pageInstead(wanted, response, exchange.through());
          file = await open(partial, from === 0 ? 'w' : 'a');
        }
        bytes += chunk.length;
        if (bytes > wanted.bytes) {
          await rm(partial, { force: true });
          if (page) throw pageInstead(wanted, response, exchange.through());
          throw changed(wanted, `sends more than the ${wanted.bytes} bytes that are known; the file has changed`);
        }
        await file.writeFile(chunk);
        options.progress?.(bytes, wanted.bytes, began);
      }
    } finally {
      await file?.close();
    }
    if (bytes === wanted.bytes) return;
    if (page) {
      await rm(partial, { force: true });
      throw pageInstead(wanted, response, exchange.through());
    }
    throw new TransferError(`the connection was closed early, after ${bytes} of ${wanted.bytes} bytes`);
  });
}

/**
 * Fetches a file to `path`, which appears by rename once size and digest are right. What came so far is kept in
 * `path.partial`; a later call goes on from there (an HTTP range), also after a broken connection in the same call.
 * Bodies that are packed on the way are unpacked.
 *
 * @throws RefusedError when the server refuses; Error when it sends another file, stops answering, or is not reached at
 *   all, then at once; the signal's reason when aborted
 */
export async function downloadFile(wanted: WantedFile, path: string, options: DownloadOptions = {}): Promise<void> {
  const partial = `${path}.partial`;
  await makeFolders(dirname(resolve(path)), 'name another place');
  const began = await sizeOf(partial);
  // A part of another session may be of another file: then the whole is fetched once more.
  let restarts = began > 0 ? 1 : 0;
  // Bytes that there were at most: a server that breaks off and cannot go on brings the same ones again and again.
  let most = 0;
  for (let met = false, fruitless = 0; ; ) {
    options.signal?.throwIfAborted();
    const before = await sizeOf(partial);
    if (before > wanted.bytes) await rm(partial);
    else most = Math.max(most, before);
    if (before === wanted.bytes) {
      // A file without bytes has no part yet.
      if (before === 0) await (await open(partial, 'a')).close();
      const [name, known] =
        wanted.gitBlob === undefined ? ['SHA-256', wanted.sha256] : ['SHA-1 of the Git object', wanted.gitBlob];
      const digest = await digestOf(partial, wanted, options.signal);
      if (digest === known) break;
      await rm(partial);
      most = 0;
      if (restarts-- > 0) continue;
      throw changed(wanted, `${name} is ${digest}, not the known ${known}; the file was not kept`);
    }
    try {
      await transfer(wanted, partial, options, began);
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      const after = await sizeOf(partial);
      fruitless = after > most ? 1 : fruitless + 1;
      met ||= error.answered;
      if ((error.lasting && !met) || fruitless >= (options.attempts ?? 5)) {
        const kept = after > 0 ? `${after} of ${wanted.bytes} bytes are kept, run it again to go on` : undefined;
        throw error.asFinal(wanted.url, [error.fix, kept].filter(Boolean).join('; ') || undefined);
      }
      await pauseFor(fruitless, options);
    }
  }
  await rename(partial, path);
}
