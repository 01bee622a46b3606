/** A local HTTP server for tests of downloads: it serves as a good server does, or misbehaves as it is told. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from './certificate';

/** Answers one request; `count` is 1 for the first. */
export type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface LocalServer {
  /** `http://127.0.0.1:PORT`, with a certificate `https://localhost:PORT`; without a slash at the end. */
  readonly url: string;
  /** Every request so far, oldest first. */
  readonly requests: readonly IncomingMessage[];
  /** May be replaced at any time. */
  answer: Answer;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

/** Starts a server on a free port of this machine: HTTP, or HTTPS with a certificate. */
export async function startServer(answer: Answer, certificate?: Certificate): Promise<LocalServer> {
  const requests: IncomingMessage[] = [];
  const listen = (request: IncomingMessage, response: ServerResponse) => {
    requests.push(request);
    local.answer(request, response, requests.length);
  };
  const server = certificate === undefined ? createServer(listen) : createTlsServer(certificate, listen);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const local: LocalServer = {
    url: `${certificate ? 'https://localhost' : 'http://127.0.0.1'}:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return local;
}

export interface ServeOptions {
  /** Bytes of an answer after which the connection breaks; default: all of them are sent. */
  readonly limit?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends `bytes` as a good server does, from where a `Range: bytes=N-` asks. */
export function serveBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  { limit = bytes.length, headers = {} }: ServeOptions = {},
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start > 0 && start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const body = bytes.subarray(start);
  const all = { ...headers, 'content-length': body.length };
  if (start > 0) {
    response.writeHead(206, { ...all, 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
  } else response.writeHead(200, all);
  if (limit >= body.length) response.end(body);
  else response.write(body.subarray(0, limit), () => setTimeout(() => response.destroy(), 200));
}
