/** A local forward proxy for tests: plain requests with whole addresses, and tunnels by CONNECT. */
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface LocalProxyOptions {
  /** `user:password` that it asks for; default: it asks for none. */
  readonly login?: string;
  /** Names that it knows and others do not: host to `host:port`. */
  readonly knows?: Readonly<Record<string, string>>;
  /** A status that it answers everything with, in place of forwarding. */
  readonly refuses?: number;
}

export interface LocalProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** What was asked of it, oldest first: `GET http://host/path` or `CONNECT host:port`. */
  readonly asked: readonly string[];
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

/** Starts a proxy on a free port of this machine. It says 502 for hosts that it cannot reach. */
export async function startProxy({ login, knows = {}, refuses }: LocalProxyOptions = {}): Promise<LocalProxy> {
  const asked: string[] = [];
  const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  const refusal = ({ headers }: IncomingMessage) =>
    refuses ?? (wanted !== undefined && headers['proxy-authorization'] !== wanted ? 407 : undefined);
  const target = (host: string, port: string) => {
    const [name = host, other = port] = knows[host]?.split(':') ?? [];
    return { host: name, port: Number(other) };
  };
  const open = new Set<{ destroy(): unknown }>();
  const server = createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    const status = refusal(incoming);
    if (status !== undefined) return void response.writeHead(status).end();
    const url = new URL(incoming.url ?? '');
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const path = `${url.pathname}${url.search}`;
    const forwarded = request({ ...target(url.hostname, url.port || '80'), path, method: incoming.method, headers });
    forwarded.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => response.destroy()).pipe(response);
    });
    forwarded.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    incoming.pipe(forwarded);
  });
  server.on('connect', (incoming, client) => {
    asked.push(`CONNECT ${incoming.url}`);
    open.add(client);
    client.on('error', () => {});
    const status = refusal(incoming);
    if (status !== undefined) return void client.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const [host = '', port = ''] = incoming.url?.split(':') ?? [];
    const tunnel = connect(target(host, port), () => {
      client.write('HTTP/1.1 200 Connected\r\n\r\n');
      tunnel.pipe(client).pipe(tunnel);
    });
    open.add(tunnel);
    tunnel.on('error', () => client.end('HTTP/1.1 502 No\r\n\r\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
