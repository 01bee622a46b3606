/** Listens with a server: timeouts, and an end that answers what has begun. */
import {
  createServer as createHttp,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { CrossgateError, InputError } from '@crossgate/core';
import { getRequestListener } from '@hono/node-server';
import { Problem, type ProblemCode, problemBody } from './problem';
import type { Server } from './server';

/** How a server listens; everything has a default. */
export interface ListenOptions {
  /** 0: any free port. Default: 8080. */
  readonly port?: number;
  /** Default: 127.0.0.1, which is reached from this machine alone. */
  readonly host?: string;
  /** Milliseconds for the headers of a request to arrive. Default: 10,000. */
  readonly headersTimeout?: number;
  /** Milliseconds for a whole request to arrive. Default: 30,000. */
  readonly requestTimeout?: number;
  /** Milliseconds for a client to take an answer. Default: 30,000. */
  readonly answerTimeout?: number;
  /** Milliseconds that a connection may be idle between two requests. Default: 65,000, more than proxies keep theirs. */
  readonly idleTimeout?: number;
  /** Connections at a time; more are closed as they come. Default: 4,096. */
  readonly connections?: number;
}

/** A server that listens. */
export interface Listening extends AsyncDisposable {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The one that was asked for, or the free one that was found. */
  readonly port: number;
  /**
   * Takes no more connections, answers what has begun, and closes the server.
   * @param patience milliseconds after which connections are cut that are still open. Default: 10,000
   */
  close(patience?: number): Promise<void>;
}

/** How often Node looks for connections that took too long, in milliseconds. */
const CHECK_INTERVAL = 500;

/**
 * Starts to listen.
 * @throws InputError for a port or host that cannot be had
 */
export async function listen(server: Server, options: ListenOptions = {}): Promise<Listening> {
  const { port = 8080, host = '127.0.0.1', headersTimeout = 10_000, requestTimeout = 30_000 } = options;
  const { answerTimeout = 30_000, idleTimeout = 65_000, connections = 4096 } = options;
  const timeouts = { headersTimeout: Math.min(headersTimeout, requestTimeout), requestTimeout };
  const http = createHttp({
    ...{ ...timeouts, keepAliveTimeout: idleTimeout, connectionsCheckingInterval: CHECK_INTERVAL },
    noDelay: true,
    // Checked below, where the answer has a body.
    requireHostHeader: false,
  });
  http.maxConnections = connections;
  let isClosing = false;
  const answer = async (request: Request, bindings: object) => {
    const response = await server.app.fetch(request, bindings);
    if (isClosing) response.headers.set('connection', 'close');
    return response;
  };
  const respond = getRequestListener(answer, {
    overrideGlobalObjects: false,
    // A request that hono is not asked at all: its host or target is none.
    errorHandler: () => plainProblem('invalid', 'not a request'),
  });
  http.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void respond(request, response);
    response.once('prefinish', () => {
      // Node waits for ever for a client that does not read.
      const cut = setTimeout(() => request.socket.destroy(), answerTimeout).unref();
      for (const end of ['finish', 'close']) response.once(end, () => clearTimeout(cut));
    });
  });
  // An expectation that nobody knows may be ignored.
  http.on('checkExpectation', (request, response) => void http.emit('request', request, response));
  http.on('upgrade', (_request, socket: Socket) => socket.end(rawProblem('invalid', 'no such protocol')));
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return socket.destroy();
    const code: ProblemCode =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'timeout'
        : error.code === 'HPE_HEADER_OVERFLOW'
          ? 'headers-too-large'
          : 'invalid';
    socket.end(rawProblem(code, code === 'timeout' ? 'the request did not arrive in time' : 'not a request'));
  });
  await begin(http, port, host);
  const { port: bound } = http.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = (patience = 10_000) => {
    closing ??= (async () => {
      isClosing = true;
      const ended = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeIdleConnections();
      const cut = setTimeout(() => http.closeAllConnections(), patience);
      // Requests whose bodies are on their way are answered too: refused where they need the model.
      await Promise.all([server.drain(), ended]);
      clearTimeout(cut);
      await server.close();
    })();
    return closing;
  };
  const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return { url: `http://${shown}:${bound}`, port: bound, close, [Symbol.asyncDispose]: () => close() };
}

/**
 * Tries an address before what is dear is opened.
 * @throws InputError for a port or host that cannot be had
 */
export async function checkAddress(port: number, host: string): Promise<void> {
  const http = createHttp();
  await begin(http, port, host);
  await new Promise<void>((resolve) => http.close(() => resolve()));
}

/** @throws InputError for a port or host that cannot be had */
function begin(http: HttpServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const words: Readonly<Record<string, readonly [place: string, problem: string, fix: string]>> = {
        EADDRINUSE: ['port', `port ${port} is in use`, 'choose another'],
        EACCES: ['port', `port ${port} needs rights that this process does not have`, 'choose one from 1024'],
        EADDRNOTAVAIL: ['host', `${host} is no address of this machine`, 'name one, or 0.0.0.0 for all'],
        ENOTFOUND: ['host', `${host} is not known`, 'name an address of this machine'],
      };
      const [place, problem, fix] = words[error.code ?? ''] ?? [];
      if (problem === undefined) return reject(new CrossgateError(`cannot listen: ${error.message}`, { cause: error }));
      reject(new InputError(problem, { code: 'usage', place, fix, cause: error }));
    });
    http.listen({ port, host: host.replace(/^\[|\]$/g, '') }, () => {
      http.removeAllListeners('error');
      http.on('error', () => {});
      resolve();
    });
  });
}

const json = (problem: Problem) => JSON.stringify(problemBody(problem, 'none'));

function plainProblem(code: ProblemCode, message: string): Response {
  const problem = new Problem(code, message);
  return new Response(json(problem), {
    status: problem.status,
    headers: { 'content-type': 'application/json', connection: 'close', 'x-content-type-options': 'nosniff' },
  });
}

const reasons: Partial<Record<number, string>> = { 408: 'Request Timeout', 431: 'Request Header Fields Too Large' };

/** The answer to what is no request, as it goes over the wire. */
function rawProblem(code: ProblemCode, message: string): string {
  const problem = new Problem(code, message);
  const body = json(problem);
  return [
    `HTTP/1.1 ${problem.status} ${reasons[problem.status] ?? 'Bad Request'}`,
    'content-type: application/json',
    'x-content-type-options: nosniff',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
