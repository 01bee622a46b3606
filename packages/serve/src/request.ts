/** What a request brings, read within limits and checked by the schemas. */
import type { Context } from 'hono';
import type { z } from 'zod';
import type { Endpoint } from './endpoints';
import { Problem } from './problem';

/** What a handler gets of a request. */
export interface Input {
  readonly params: Record<string, unknown>;
  readonly query: Record<string, unknown>;
  readonly body: unknown;
}

/** Where in the request something is: `events[3].user`. */
function placeOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const name = String(part).slice(0, 100);
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/** @throws Problem naming the first place that is wrong */
function checked(schema: z.ZodType, value: unknown, what: 'body' | 'query' | 'path'): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0]!.slice(0, 100) : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])];
  const place = path.length > 0 ? placeOf(path) : what;
  const message = unknown === undefined ? (issue?.message ?? 'not what is needed') : 'unknown key';
  throw new Problem('invalid', `${place}: ${message}`, { path: place, fix: 'see /openapi.json' });
}

/**
 * Reads and checks all that an endpoint takes. Nothing waits in a queue meanwhile.
 * @throws Problem
 */
export async function readInput(c: Context, endpoint: Endpoint, maxBody: number): Promise<Input> {
  const { params, query, body } = endpoint;
  return {
    params: params ? (checked(params, c.req.param(), 'path') as Input['params']) : {},
    query: query ? (checked(query, onceEach(c.req.queries()), 'query') as Input['query']) : {},
    body: body ? checked(body, await readJson(c.req.raw, maxBody), 'body') : undefined,
  };
}

/** @throws Problem for a parameter that is there twice */
function onceEach(queries: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, [value = '', ...more]]) => {
      if (more.length > 0) throw new Problem('invalid', 'is there more than once', { path: name.slice(0, 100) });
      return [name, value];
    }),
  );
}

/** Milliseconds that a request allows. @throws Problem for a header that is no such number */
export function deadlineOf(c: Context, normal: number): number {
  const header = c.req.header('x-deadline-ms');
  if (header === undefined) return normal;
  const ms = /^\d{1,5}$/.test(header) ? Number(header) : 0;
  if (ms >= 1 && ms <= 60_000) return ms;
  throw new Problem('invalid', 'not a whole number from 1 to 60000', { path: 'x-deadline-ms' });
}

async function readJson(request: Request, maxBody: number): Promise<unknown> {
  const type = request.headers.get('content-type') ?? '';
  // A page of another origin can send any other type without being asked for leave by the browser.
  if (!/^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) {
    throw new Problem('media-type', 'the body is not JSON', {
      path: 'Content-Type',
      fix: 'send Content-Type: application/json',
    });
  }
  if (request.headers.has('content-encoding')) {
    throw new Problem('media-type', 'the body is compressed', { path: 'Content-Encoding', fix: 'send it as it is' });
  }
  const bytes = await readBytes(request, maxBody);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Problem('invalid', 'the body is not UTF-8', { path: 'body' });
  }
  try {
    return JSON.parse(text, refuseProto);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('invalid', 'the body is not JSON', { path: 'body' });
  }
}

/** Schemas of objects with free keys drop this one without a word. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__')
    throw new Problem('invalid', '__proto__: unknown key', { path: key, fix: 'see /openapi.json' });
  return value;
}

async function readBytes(request: Request, most: number): Promise<Uint8Array> {
  const tooLarge = () => new Problem('too-large', `the body is larger than ${most} bytes`, { path: 'body' });
  const declared = request.headers.get('content-length');
  if (declared !== null && Number(declared) > most) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  try {
    // HTTP ends the body where its length says.
    if (declared !== null) {
      const bytes = new Uint8Array(await request.arrayBuffer());
      if (bytes.length > most) throw tooLarge();
      return bytes;
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > most) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('invalid', 'the body ended before its time', { path: 'body', cause: error });
  }
}
