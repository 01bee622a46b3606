/** Files behind HTTP, read in pieces: in a browser or in Node, by the platform's own `fetch`. */
import { type ByteSource, blobSource, checkRange } from './byte-source';
import { InputError } from './input-error';

/** How a file is asked for; every field may be left out. */
export interface HttpOptions {
  /** Its name in messages. Default: the address without what stands behind `?`. */
  readonly name?: string;
  /** Headers of each request, such as `authorization`. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends requests; reading then throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Name of a cache of the browser (Cache Storage, which pages and workers of a secure origin have). The file is then
   * fetched as a whole, kept there, and read from there until the server has another; also while there is no connection.
   * Default: nothing is kept.
   */
  readonly cache?: string | undefined;
  /** Called as a file is fetched as a whole, with the bytes so far and all, or 0 where the server does not say. */
  readonly onProgress?: ((loaded: number, total: number) => void) | undefined;
}

/** What is used of a browser's Cache Storage: these types are compiled without a browser's. */
interface FileCaches {
  open(name: string): Promise<{
    match(url: string): Promise<Response | undefined>;
    put(url: string, response: Response): Promise<void>;
  }>;
}

/** How often a request is made that fails on its way, or by a fault of the server. */
const tries = 3;
/** Milliseconds before the second try; twice that before the third. */
const pause = 400;

/** A file's name in messages: an address may hold a key behind `?`. */
const shown = (url: string) => url.replace(/[?#].*$/, '');

/**
 * One request, repeated after faults that may pass.
 *
 * @returns an answer that is no fault of the server; of 404 and other refusals too
 * @throws InputError with the reason of the last try; the reason of the signal
 */
async function request(
  url: string,
  method: 'GET' | 'HEAD',
  { headers = {}, signal, name = shown(url) }: HttpOptions,
  range?: string,
): Promise<Response> {
  for (let made = 1; ; made++) {
    let problem: string;
    try {
      const all = range === undefined ? { ...headers } : { ...headers, range };
      const response = await fetch(url, { method, headers: all, ...(signal && { signal }) });
      if (response.status < 500 && response.status !== 429) return response;
      await response.body?.cancel();
      problem = `the server answers ${response.status}`;
    } catch (error) {
      signal?.throwIfAborted();
      problem = `cannot be fetched (${(error as Error).message})`;
    }
    if (made === tries)
      throw new InputError(problem, {
        code: 'network.failed',
        place: name,
        fix: 'check the connection, and whether the server lets this page read from it (CORS)',
      });
    await new Promise((resolve) => setTimeout(resolve, pause * made));
  }
}

/** Refuses an answer that is not the file. @throws InputError naming it */
function checkAnswer({ status }: Response, name: string): void {
  if (status === 200 || status === 206) return;
  throw new InputError(status === 404 ? 'there is no such file' : `the server answers ${status}`, {
    code: status === 404 ? 'file.not-found' : 'network.failed',
    place: name,
    fix: status === 401 || status === 403 ? 'it may be read by others only' : 'check the address',
  });
}

/** Whether a server has a file. @throws InputError where it cannot be reached, or refuses to say */
export async function httpHas(url: string, options: HttpOptions = {}): Promise<boolean> {
  const { name = shown(url) } = options;
  const response = await request(url, 'HEAD', options);
  // Servers that know no HEAD are asked for a byte.
  const answer =
    response.status === 405 || response.status === 501 ? await request(url, 'GET', options, 'bytes=0-0') : response;
  await answer.body?.cancel();
  if (answer.status === 404 || answer.status === 410) return false;
  checkAnswer(answer, name);
  return true;
}

/**
 * Opens a file behind HTTP. Each read asks for its range of bytes; where a server knows no ranges, or does not say the
 * length, the file is fetched once as a whole and kept in memory.
 *
 * @param url absolute, or relative to the page
 * @throws InputError where there is no such file, and where the server cannot be reached. Reads throw too when the file
 * has changed since.
 */
export async function httpSource(url: string, options: HttpOptions = {}): Promise<ByteSource> {
  const { name = shown(url) } = options;
  if (options.cache !== undefined) return blobSource(name, await cachedBlob(url, name, options.cache, options));
  const head = await request(url, 'HEAD', options);
  if (head.status === 404) checkAnswer(head, name);
  const length = head.headers.get('content-length');
  const isPacked = head.headers.has('content-encoding');
  if (!head.ok || length === null || isPacked) return blobSource(name, await wholeBlob(url, name, options));
  const size = Number(length);
  const version = head.headers.get('etag');
  let whole: Promise<Blob> | undefined;
  return {
    name,
    size,
    async read(offset, count) {
      checkRange({ name, size }, offset, count);
      if (count === 0) return new Uint8Array(0);
      if (whole === undefined) {
        const response = await request(url, 'GET', options, `bytes=${offset}-${offset + count - 1}`);
        checkAnswer(response, name);
        const now = response.headers.get('etag');
        if (version !== null && now !== null && now !== version) throw changed(name);
        if (response.status === 206) {
          const bytes = new Uint8Array(await response.arrayBuffer());
          if (bytes.length !== count) throw changed(name);
          return bytes;
        }
        // The server gives all of it whatever is asked for: it need not do so again.
        whole = response.blob();
      }
      const blob = await whole;
      if (blob.size !== size) throw changed(name);
      return new Uint8Array(await blob.slice(offset, offset + count).arrayBuffer());
    },
    async close() {
      whole = undefined;
    },
  };
}

const changed = (name: string) =>
  new InputError('the file changed while it was read', {
    code: 'network.changed',
    place: name,
    fix: 'open it again',
  });

/** Fetches a file as a whole. */
async function wholeBlob(url: string, name: string, options: HttpOptions): Promise<Blob> {
  const response = await request(url, 'GET', options);
  checkAnswer(response, name);
  return new Response(counted(response, options.onProgress)).blob();
}

/** A file of the browser's cache, which is asked of the server where it is not there, or no longer the same. */
async function cachedBlob(url: string, name: string, cacheName: string, options: HttpOptions): Promise<Blob> {
  const { caches } = globalThis as { readonly caches?: FileCaches };
  if (!caches) {
    throw new InputError('there is no Cache Storage here', {
      code: 'network.failed',
      place: name,
      fix: 'leave the option cache out: Node and insecure pages keep no files',
    });
  }
  const cache = await caches.open(cacheName);
  const kept = await cache.match(url);
  if (kept) {
    // Without a connection, what is kept serves.
    const head = await request(url, 'HEAD', options).catch(() => null);
    options.signal?.throwIfAborted();
    if (head === null || !head.ok || isSame(head, kept)) return kept.blob();
  }
  const response = await request(url, 'GET', options);
  checkAnswer(response, name);
  const { headers } = response;
  // Written as it comes; the browser keeps it on disk. An interrupted transfer leaves nothing.
  await cache.put(url, new Response(counted(response, options.onProgress), { headers }));
  const written = await cache.match(url);
  if (written) return written.blob();
  throw new InputError('the browser did not keep the file', {
    code: 'file.disk',
    place: name,
    fix: 'free some disk, or open the page outside a private window',
  });
}

/** Whether two answers are of the same file, by what both say of it. */
function isSame(a: Response, b: Response): boolean {
  const both = ['etag', 'last-modified', 'content-length'].filter((key) => a.headers.has(key) && b.headers.has(key));
  return both.every((key) => a.headers.get(key) === b.headers.get(key));
}

/** The body of an answer, counted as it passes. */
function counted(
  { body, headers }: Response,
  onProgress: HttpOptions['onProgress'],
): ReadableStream<Uint8Array> | null {
  if (!body || !onProgress) return body;
  // Of a packed transfer, the length is not that of the file.
  const total = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
  let loaded = 0;
  onProgress(0, total);
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        loaded += chunk.length;
        onProgress(loaded, total);
        controller.enqueue(chunk);
      },
    }),
  );
}
