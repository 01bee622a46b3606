/** What a Hugging Face Hub answers, for tests of downloads. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveBytes } from './local-server';

/** The only repository of a Hub. Its branch `main` and its tag `v1` are one commit. */
export interface HubRepository {
  /** `ORG/NAME`. */
  readonly repository: string;
  /** 40 digits. */
  readonly commit: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Weights are kept as on the Hub, beside Git, and known by SHA-256; the rest by its SHA-1 in Git. */
const isLarge = (name: string) => /\.(safetensors|gguf|bin)$/.test(name);

/** Answers as the Hub does: of a revision, of the files of its commit, and with these; weights come from `/cdn`. */
export function serveHub(
  request: IncomingMessage,
  response: ServerResponse,
  { repository, commit, files }: HubRepository,
): void {
  const { pathname } = new URL(request.url ?? '', 'http://hub');
  const json = (value: unknown) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const [, revision] = new RegExp(`^/api/models/${repository}/revision/(.+)$`).exec(pathname) ?? [];
  if (revision === 'main' || revision === 'v1' || revision === commit) {
    const lastModified = '2024-01-01T00:00:00.000Z';
    return void json({ _id: '1', id: repository, sha: commit, private: false, lastModified });
  }
  if (pathname === `/api/models/${repository}/tree/${commit}`) {
    const entries = [...files].map(([path, bytes]) => {
      const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      const lfs = { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 134 };
      return { type: 'file', path, size: bytes.length, oid, ...(isLarge(path) && { lfs }) };
    });
    return void json([{ type: 'directory', path: 'onnx', size: 0, oid: commit }, ...entries]);
  }
  const [, name] = new RegExp(`^(?:/cdn)?/${repository}/resolve/${commit}/(.+)$`).exec(pathname) ?? [];
  const bytes = name === undefined ? undefined : files.get(decodeURIComponent(name));
  if (bytes === undefined) return void response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
  // Weights come from another place.
  if (isLarge(name!) && !pathname.startsWith('/cdn')) {
    return void response.writeHead(302, { location: `/cdn${pathname}` }).end();
  }
  serveBytes(request, response, bytes);
}
