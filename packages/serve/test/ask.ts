/** Asks an app as a client would. */
import { onTestFinished } from 'vitest';
import { createServer, type ServeOptions, type Server } from '../src';
import { type FakeOptions, type FakeRun, fakeRun } from './fake-run';

/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests read whatever they expect there.
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
  readonly body: any;
}

/** A server of a fake run. It is closed after the test. */
export async function serverOf(
  options: ServeOptions = {},
  fake: FakeOptions | FakeRun = {},
): Promise<{ server: Server; run: FakeRun; get: Get; post: Post }> {
  const run = 'calls' in fake ? fake : fakeRun(fake);
  const server = await createServer(run, { batchWait: 0, page: '/nowhere', ...options });
  onTestFinished(() => server.close());
  const read = async (response: Response): Promise<Answer> => {
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  return {
    server,
    run,
    get: async (path, headers = {}) => read(await server.app.request(path, { headers })),
    post: async (path, body, headers = {}) =>
      read(
        await server.app.request(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
  };
}

type Headers_ = Readonly<Record<string, string>>;
/** GET a path. */
export type Get = (path: string, headers?: Headers_) => Promise<Answer>;
/** POST a body; a text goes as it is. */
export type Post = (path: string, body: unknown, headers?: Headers_) => Promise<Answer>;
