/** The page: files that are read once, at the start, so that no request names a path of the disk. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the page. */
export interface PageFile {
  /** Of the URL, such as `/assets/page-1a2b3c4d.js`; `/` for index.html. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly etag: string;
  readonly cache: string;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
};

/** Nothing but the files of the page itself; no script or style in the HTML. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** What `/` shows where the page is not built. */
const plain = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Crossgate</title>
</head>
<body>
<h1>Crossgate</h1>
<p>This server answers under <code>/v1</code>.</p>
<ul>
<li><a href="openapi.json">The endpoints (OpenAPI)</a></li>
<li><a href="readyz">Whether it can recommend</a></li>
<li><a href="metrics">Metrics</a></li>
</ul>
</body>
</html>
`;

/** Where the build puts the page: beside the built code, which tests run from its source. */
export function pageFolder(): string {
  const beside = fileURLToPath(new URL('./page/', import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL('../dist/page/', import.meta.url));
}

/**
 * Reads the files of the page.
 * @param folder where its index.html lies; where there is none, `/` is a short page with links
 */
export function readPage(folder: string): PageFile[] {
  const index = join(folder, 'index.html');
  if (!existsSync(index)) return [fileOf('/', '.html', new Uint8Array(Buffer.from(plain)))];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return names
    .filter((name) => extname(name) in types)
    .map((name) => {
      const path = `/${name.slice(join(folder, '/').length).replaceAll('\\', '/')}`;
      return fileOf(path === '/index.html' ? '/' : path, extname(name), new Uint8Array(readFileSync(name)));
    });
}

function fileOf(path: string, extension: string, bytes: Uint8Array<ArrayBuffer>): PageFile {
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  // The build gives files of assets/ a name with a hash of their content.
  const isHashed = /^\/assets\/.*-[\w-]{8,}\.\w+$/.test(path);
  return {
    path,
    bytes,
    type: types[extension]!,
    etag: `"${hash}"`,
    cache: isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
}
