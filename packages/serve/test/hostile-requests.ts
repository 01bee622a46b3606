/** Requests that mean no good, made up by number, so that a test takes some and a study takes all. */

/** A request as it goes over the wire. */
export interface Hostile {
  readonly name: string;
  /** Bytes to send; latin1. */
  readonly wire: string;
}

const request = (method: string, target: string, headers: readonly string[], body = '', host = '127.0.0.1') =>
  [`${method} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, '', body].join('\r\n');

const post = (path: string, body: string, type = 'application/json') =>
  request('POST', path, [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`], body);

const targets = ['/v1/recommend', '/v1/score', '/v1/items', '/v1/events'];

const values: readonly string[] = [
  ...['null', 'true', '0', '-1', '1e999', '""', '"x"', '[]', '{}', '[[]]', '1.5', '"\\u0000"', '"\\ud800"', '[null]'],
  ...['{"__proto__":{"a":1}}', '{"constructor":{"prototype":{}}}', '9007199254740993', '[1,2,3]', '"../../etc/passwd"'],
  ...['"<script>alert(1)</script>"', `"'; DROP TABLE events; --"`, '"${7*7}"', '"%00"', `"${'x'.repeat(600)}"`],
];
const keys = ['user', 'history', 'top', 'candidates', 'exclude', 'among', 'titleContains', 'explain', 'pairs', 'items'];
const more = ['where', 'events', 'dislikes', '__proto__', 'toString', 'constructor', ''];

const bodies: readonly string[] = [
  ...['', ' ', '{', '}', '[', 'null', '0', '"', '"x"', '[]', '{}', '{"user":}', '{user:1}', "{'user':'u1'}", 'NaN'],
  ...['{"user":"u1","user":"u2"}', '{"user":"u1"}}', '{"user":"u1"} x', '\u00ef\u00bb\u00bf{"user":"u1"}', 'user=u1'],
  ...['['.repeat(100_000), '{"a":'.repeat(50_000), `${'['.repeat(5000)}${']'.repeat(5000)}`, '\u00ff\u00fe\u0000{'],
  ...[`{"user":"${'\\u0061'.repeat(50_000)}"}`, `{"history":[${'"i1",'.repeat(20_000)}"i1"]}`, '{"user":"u\u0000"}'],
  ...[`{"user":"u1","top":${'9'.repeat(400)}}`, `{"user":"u1","exclude":[${'"z",'.repeat(20_000)}"z"]}`],
  `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":1`).join(',')}}`,
  ...['{"user":"u1","where":{"__proto__":{"any":["x"]}}}', `{"user":"u1","where":{"${'w'.repeat(50_000)}":{"min":1}}}`],
  `{"user":"u1","where":{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":{"min":1}`).join(',')}}}`,
  `{"user":"u1","where":{"genres":{"any":[${'"x",'.repeat(20_000)}"x"],"all":["(a+)+$"],"none":["\\ud800"]}}}`,
];

const paths: readonly string[] = [
  ...['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/..%2f..%2fetc%2fpasswd', '/....//etc/passwd', '//etc/passwd'],
  ...['/v1/users/..%2f..%2fx', '/v1/users/%00', '/v1/users/%', '/v1/users/%zz', '/v1/users/%c0%af', '/v1/users/%ff'],
  ...['/v1/items/%2e%2e', '/v1/users/__proto__', '/v1/items/constructor', '/v1/users/', '/v1//users', '/V1/users'],
  ...[`/v1/users/${'a'.repeat(9000)}`, `/v1/users/${'%61'.repeat(600)}`, '/v1/users?limit=-1', '/v1/users?limit=1e9'],
  ...['/v1/users?limit=', '/v1/users?limit=1&limit=2', '/v1/users?x=1', '/v1/users?__proto__=1', '/v1/users?query=%'],
  ...['/v1/similar/i1?top=0', '/v1/similar/i1?top=999999999999', '/v1/similar/gone', '/.git/config', '/.env', '/admin'],
  ...['/v1/recommend', '/index.php?cmd=ls', '/assets/../../package.json', '/?%00', '/v1/users;x=1', '/v1/users\\..\\x'],
  ...['http://evil.example/v1/users', 'http://127.0.0.1:1/v1/users', '*', 'v1/users', '/v1/users#x', '/ v1/users'],
];

const heads: readonly string[] = [
  ...['Content-Length: -1', 'Content-Length: 1, 2', 'Content-Length: 99999999999999999999', 'Content-Length: abc'],
  ...['Content-Length: 5\r\nContent-Length: 6', 'Transfer-Encoding: chunked\r\nContent-Length: 5', 'Expect: 200-ok'],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: xchunked', 'Transfer-Encoding : chunked', 'Upgrade: h2c'],
  ...[
    `X-Long: ${'x'.repeat(20_000)}`,
    'Bad Header: 1',
    ': none',
    'X-Null: a\u0000b',
    'X-Fold: a\r\n b',
    'X-Lone: a\rb',
  ],
  ...['Host: evil.example', 'Host: 127.0.0.1\r\nHost: evil.example', 'Authorization: Bearer ../..', 'Range: bytes=0-'],
  ...[
    'X-Request-Id: a\tb',
    `X-Request-Id: ${'r'.repeat(500)}`,
    'X-Deadline-Ms: 0',
    'X-Deadline-Ms: 1e9',
    'Cookie: a=b',
  ],
  ...['X-Forwarded-Host: evil.example', 'Content-Encoding: gzip', 'Content-Type: application/json; charset=utf-7'],
  ...['If-None-Match: *', 'Accept: \u00ff', 'Origin: null', 'Origin: https://evil.example', 'Upgrade: websocket'],
  Array.from({ length: 3000 }, (_, i) => `X-${i}: 1`).join('\r\n'),
];

const methods = ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'HEAD', 'PROPFIND', 'get', 'QUERY', 'FOO'];

const wires: readonly string[] = [
  ...[
    '\r\n\r\n',
    'GET',
    'GET /\r\n\r\n',
    'GET / HTTP/0.9\r\n\r\n',
    'GET / HTTP/9.9\r\nHost: a\r\n\r\n',
    '\u0000\u0001\u0002',
  ],
  ...[
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'x'.repeat(70_000),
  ],
  ...[
    `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'GET / HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n',
  ],
  'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n' +
    'Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n',
  'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n' +
    'Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n',
  `POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${'10000\r\n'.concat('x'.repeat(65_536), '\r\n').repeat(20)}0\r\n\r\n`,
];

/** All, in an order that is always the same: some of every kind come early. */
export function hostileRequests(): Hostile[] {
  const byKind: Hostile[][] = [
    targets.flatMap((path) =>
      bodies.map((body) => ({ name: `body ${body.slice(0, 30)} to ${path}`, wire: post(path, body) })),
    ),
    [...keys, ...more].flatMap((key) =>
      values.flatMap((value) =>
        targets.map((path) => {
          const base = path === '/v1/recommend' && key !== 'user' ? '"user":"u1",' : '';
          return { name: `${key} ${value.slice(0, 30)} to ${path}`, wire: post(path, `{${base}"${key}":${value}}`) };
        }),
      ),
    ),
    ['events', 'pairs', 'items'].flatMap((key) =>
      ['id', 'user', 'item', 'label', 'timestamp', 'title', 'attributes', 'x'].flatMap((field) =>
        values.map((value) => {
          const path = key === 'pairs' ? '/v1/score' : `/v1/${key}`;
          return {
            name: `${key}.${field} ${value.slice(0, 30)}`,
            wire: post(path, `{"${key}":[{"${field}":${value}}]}`),
          };
        }),
      ),
    ),
    paths.map((path) => ({ name: `path ${path.slice(0, 60)}`, wire: request('GET', path, []) })),
    heads.map((head) => ({ name: `head ${head.slice(0, 60)}`, wire: request('GET', '/v1/users', [head]) })),
    heads.map((head) => ({
      name: `head with body ${head.slice(0, 60)}`,
      wire: request(
        'POST',
        '/v1/recommend',
        ['Content-Type: application/json', head, 'Content-Length: 13'],
        '{"user":"u1"}',
      ),
    })),
    methods.flatMap((method) =>
      ['/', '/v1/recommend', '/v1/users', '/metrics', '*'].map((path) => ({
        name: `${method} ${path}`,
        wire: request(method, path, []),
      })),
    ),
    ['evil.example', '127.0.0.1.evil.example', '', '127.0.0.1:99999999', 'a b', '[::1', '\u00e4', 'localhost/..'].map(
      (host) => ({
        name: `host ${host}`,
        wire: request('GET', '/v1/users', [], '', host),
      }),
    ),
    wires.map((wire) => ({ name: `wire ${JSON.stringify(wire.slice(0, 40))}`, wire })),
  ];
  const found: Hostile[] = [];
  for (let row = 0; byKind.some((kind) => row < kind.length); row++) {
    for (const kind of byKind) if (kind[row]) found.push(kind[row]!);
  }
  return found;
}
