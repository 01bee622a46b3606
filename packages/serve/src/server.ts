/** A run as a hono app: it listens on nothing itself, and mounts into any other. */
import { randomUUID } from 'node:crypto';
import { InputError } from '@crossgate/core';
import type { LiveRun } from '@crossgate/experiment';
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { HTTPException } from 'hono/http-exception';
import { basePath } from 'hono/route';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import manifest from '../package.json';
import { type Endpoint, type EndpointName, endpoints } from './endpoints';
import { Guard } from './guard';
import { type Handler, handlersOf } from './handlers';
import { Intake } from './intake';
import { Metrics } from './metrics';
import { openApiDocument } from './openapi';
import { type ServeOptions, settingsOf } from './options';
import { PAGE_POLICY, type PageFile, pageFolder, readPage } from './page';
import { describeForLog, Problem, problemBody, problemOf } from './problem';
import { Queue } from './queue';
import { deadlineOf, readInput } from './request';
import { memoryStore, openStateFile } from './state';

interface Variables {
  /** By performance.now(). */
  began: number;
  requestId: string;
  /** Name of the endpoint, for logs and metrics: the path itself may name people. */
  endpoint: string;
}
type Env = { Variables: Variables };

/** A run over HTTP. */
export interface Server extends AsyncDisposable {
  /** Answers requests. Listen with it, or mount it: `shop.route('/recommendations', server.app)`. */
  readonly app: Hono<Env>;
  /** Whether it can recommend, as `/readyz` says. */
  readonly ready: boolean;
  /** Resolves with the reason once the GPU is lost: end the process then, and let a supervisor start it anew. */
  readonly lost: Promise<Error>;
  /** Takes no more work for the model, and waits for what was taken. Other requests are still answered. */
  drain(): Promise<void>;
  /** Drains, and gives the state file back. The run is the caller's to close. */
  close(): Promise<void>;
}

/** Headers of every answer. */
const headers: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/**
 * Makes a server of an open run.
 * @param run stays the caller's to close, after the server
 * @throws InputError for an option that is refused, and for a state file that cannot be used with this run
 */
export async function createServer(run: LiveRun, options: ServeOptions = {}): Promise<Server> {
  const settings = settingsOf(options);
  const { log } = settings;
  const store = settings.state === undefined ? memoryStore() : await openStateFile(settings.state);
  let intake: Intake;
  try {
    intake = new Intake(run, store);
    if (intake.unfit > 0) {
      log.warn(`${intake.unfit} items of the state file have attributes that the data of the run do not have`);
    }
    if (intake.inData > 0) log.info(`${intake.inData} events of the state file are in the data of the run`);
  } catch (error) {
    await store.close();
    if (!(error instanceof InputError) || settings.state === undefined) throw error;
    throw new InputError(`does not go with this run: ${error.message}`, {
      ...{ code: error.code, place: settings.state, cause: error },
    });
  }
  const metrics: Metrics = new Metrics(
    () => queue.waiting,
    () => queue.closed === undefined,
    settings.processMetrics,
  );
  const queue = new Queue({
    limit: settings.queue,
    // CF alone answers sooner than the wait would end.
    batchWait: run.parts.llm ? settings.batchWait : 0,
    hangAfter: settings.hangAfter,
    onCall: (...call) => metrics.onCall(...call),
    onDegrade: (task) => metrics.onDegrade(task),
  });
  settings.lost?.then((reason) => queue.fail(reason instanceof Error ? reason : new Error('the GPU was lost')));
  const guard = new Guard(settings);
  const handlers: Partial<Record<EndpointName, Handler>> = handlersOf({
    ...{ run, queue, intake, candidates: settings.candidates },
    onEvents: (taken) => metrics.onEvents(taken),
  });

  const app = new Hono<Env>();
  app.use('*', async (c, next) => {
    const given = c.req.header('x-request-id');
    c.set('began', performance.now());
    c.set('requestId', given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID());
    c.set('endpoint', 'other');
    await next();
    const ms = performance.now() - c.get('began');
    const { status } = c.res;
    c.header('x-request-id', c.get('requestId'));
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
    if (!c.res.headers.has('content-security-policy')) {
      c.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    }
    metrics.onRequest(c.get('endpoint'), status, ms);
    log.debug(`${c.req.method} ${c.get('endpoint')} ${status} ${ms.toFixed(1)} ms ${c.get('requestId')}`);
  });
  app.use('*', async (c, next) => {
    guard.checkHost(c.req.header('host'));
    await next();
  });
  if (settings.cors.length > 0) {
    app.use(
      '*',
      cors({
        origin: [...settings.cors],
        allowMethods: ['GET', 'POST'],
        allowHeaders: ['authorization', 'content-type', 'x-request-id', 'x-deadline-ms'],
        exposeHeaders: ['x-request-id', 'retry-after'],
        maxAge: 600,
      }),
    );
  }

  const answer = async (c: Context<Env>, name: EndpointName, endpoint: Endpoint): Promise<Response> => {
    c.set('endpoint', endpoint.path);
    if (!endpoint.open) guard.checkToken(c.req.header('authorization'));
    switch (name) {
      case 'health':
        return c.json({ ok: true });
      case 'ready': {
        const { closed: reason } = queue;
        const { method, parts, model } = run;
        return c.json({ ready: !reason, ...(reason && { reason }), method, parts, model }, reason ? 503 : 200);
      }
      case 'metrics':
        return c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType });
      case 'openapi':
        return c.json(document);
      default: {
        const deadline = c.get('began') + deadlineOf(c, settings.deadline);
        const input = await readInput(c, endpoint, settings.maxBody);
        const found = await handlers[name]!(input, { deadline, signal: c.req.raw.signal });
        const took = Math.round((performance.now() - c.get('began')) * 10) / 10;
        return c.json({ ...found, took, model: run.model });
      }
    }
  };
  const document = openApiDocument(manifest.version, settings.tokens.length > 0);
  const methods = new Map<string, string[]>();
  for (const [name, endpoint] of Object.entries(endpoints) as [EndpointName, Endpoint][]) {
    const path = endpoint.path.replace(/\{(\w+)\}/g, ':$1');
    app.on(endpoint.method, path, (c) => answer(c, name, endpoint));
    methods.set(path, [...(methods.get(path) ?? []), endpoint.method, ...(endpoint.method === 'GET' ? ['HEAD'] : [])]);
  }
  const files = readPage(settings.page ?? pageFolder());
  const give = (c: Context<Env>, file: PageFile) => {
    c.set('endpoint', file.path);
    const own = { etag: file.etag, 'cache-control': file.cache, 'content-security-policy': PAGE_POLICY };
    if (c.req.header('if-none-match') === file.etag) return c.body(null, 304, own);
    return c.body(file.bytes, 200, { ...own, 'content-type': file.type });
  };
  for (const file of files) {
    app.on('GET', [file.path], (c) => {
      // Mounted at /shop, the links of the page go from /shop/. The answer is relative: a proxy may have its own paths.
      const { pathname, search } = new URL(c.req.url);
      if (file.path === '/' && !pathname.endsWith('/')) {
        c.set('endpoint', '/');
        return c.redirect(`./${pathname.slice(pathname.lastIndexOf('/') + 1)}/${search}`, 308);
      }
      return give(c, file);
    });
    methods.set(file.path, ['GET', 'HEAD']);
  }
  for (const [path, allowed] of methods) {
    app.all(path, (c) => {
      c.set('endpoint', path.replace(/:(\w+)/g, '{$1}'));
      const allow = allowed.join(', ');
      throw new Problem('method', `the endpoint takes ${allow}`, { allow });
    });
  }
  app.all('*', (c) => {
    // hono takes the / of a mounted app for the path without it.
    const index = files.find(({ path }) => path === '/');
    const isIndex = c.req.path === `${basePath(c)}/` || c.req.path === `${basePath(c)}/index.html`;
    if (index && isIndex && /^(GET|HEAD)$/.test(c.req.method)) return give(c, index);
    throw new Problem('not-found', 'no such endpoint', { fix: 'see /openapi.json' });
  });

  app.onError((error, c) => {
    const problem =
      error instanceof HTTPException && error.status < 500 ? new Problem('invalid', 'not a request') : problemOf(error);
    metrics.onRefusal(problem.code);
    if (problem.status >= 500 && problem.code !== 'stopping') {
      const { cause } = problem.details;
      log.warn(`request ${c.get('requestId')}: ${problem.message}: ${describeForLog(cause ?? error)}`);
    }
    const { retryAfter, allow } = problem.details;
    return c.json(problemBody(problem, c.get('requestId')), problem.status as ContentfulStatusCode, {
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      ...(allow !== undefined && { allow }),
      ...(problem.code === 'token' && { 'www-authenticate': 'Bearer' }),
      // The rest of the body is not read.
      ...(problem.code === 'too-large' && { connection: 'close' }),
    });
  });

  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= queue.drain().then(() => intake.close());
    return closing;
  };
  return {
    app,
    get ready() {
      return queue.closed === undefined;
    },
    lost: queue.lost,
    drain: () => queue.drain(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
