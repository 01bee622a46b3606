/** What the Hugging Face Hub says of a repository: the commit of a revision, and its files with their digests. */

import { CrossgateError, InputError } from '@crossgate/core';
import { type Patience, patientFetch, RefusedError } from '@crossgate/files';
/** A place to ask. */
export interface Hub {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Sent as `Authorization: Bearer`; absent: only public repositories can be read. */
  readonly token?: string;
}

/** A file of a commit, by name within the repository. */
export type HubFile = { readonly path: string; readonly bytes: number } & (
  | { readonly sha256: string; readonly gitBlob?: never }
  | { readonly gitBlob: string; readonly sha256?: never }
);

/**
 * The Hub by HF_ENDPOINT and HF_TOKEN, as Hugging Face's own programs read them.
 * @throws InputError for an endpoint that is no address, and for a token of another form
 */
export function hubOf(env: Readonly<Record<string, string | undefined>>): Hub {
  const endpoint = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new InputError(`HF_ENDPOINT: ${endpoint} is not an address`, {
      code: 'hub.address',
      fix: 'give one such as https://huggingface.co',
    });
  }
  const token = env.HF_TOKEN?.trim();
  if (token && !token.startsWith('hf_'))
    throw new InputError('HF_TOKEN: a token begins with hf_', { code: 'hub.address', fix: 'copy it again' });
  return { endpoint, ...(token && { token }) };
}

/**
 * Names what the user can do about a refusal. Any other error is thrown as it is.
 * @param what the repository, and the revision where one was named
 * @throws InputError for the statuses 401, 403 and 404
 */
export function explainRefusal(error: unknown, hub: Hub, repository: string, what: string): never {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  const status = error instanceof RefusedError ? error.status : statusCode;
  const page = `${hub.endpoint}/${repository}`;
  if (status === 401) {
    const [why, fix] = hub.token
      ? ['HF_TOKEN is not valid for it', 'make a new one']
      : ['no such repository, or a private one', 'check the name, or set HF_TOKEN'];
    throw new InputError(`the Hub says 401: ${why}`, { code: 'hub.access', place: what, fix });
  }
  if (status === 403) {
    const how = hub.token ? 'with the account of HF_TOKEN' : 'and set HF_TOKEN';
    throw new InputError('the Hub says 403: access must be granted', {
      code: 'hub.access',
      place: what,
      fix: `ask for it on ${page} ${how}`,
    });
  }
  if (status === 404) {
    throw new InputError('the Hub says 404: no such repository or revision', {
      code: 'hub.not-found',
      place: what,
      fix: `look at ${page}${hub.token ? '' : ' (private ones need HF_TOKEN)'}`,
    });
  }
  throw error;
}

function unexpected(hub: Hub, why: string): Error {
  return new CrossgateError(`does not answer as the Hugging Face Hub does (${why})`, {
    code: 'hub.answer',
    place: hub.endpoint,
    fix: 'check HF_ENDPOINT',
  });
}

function fileOf(entry: { path: string; size: number; oid?: string; lfs?: { oid: string } }): HubFile | undefined {
  const { path, size: bytes, oid = '', lfs } = entry;
  if (typeof path !== 'string' || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
  if (lfs !== undefined) return /^[0-9a-f]{64}$/.test(lfs.oid) ? { path, bytes, sha256: lfs.oid } : undefined;
  return /^[0-9a-f]{40}$/.test(oid) ? { path, bytes, gitBlob: oid } : undefined;
}

/**
 * Asks for the commit of a revision and the files at the top of it.
 * @param revision branch, tag or commit
 * @throws InputError as `explainRefusal`; Error when the Hub cannot be reached or says what it should not
 */
export async function describeRepository(
  hub: Hub,
  repository: string,
  revision: string,
  patience: Patience,
): Promise<{ commit: string; files: HubFile[] }> {
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  const options = {
    hubUrl: hub.endpoint,
    fetch: patientFetch(patience),
    ...(hub.token !== undefined && { accessToken: hub.token }),
  };
  try {
    const { sha } = await modelInfo({ ...options, name: repository, revision, additionalFields: ['sha'] });
    if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw unexpected(hub, 'no commit');
    const files: HubFile[] = [];
    // The listing is of the commit, not of the branch, which may move meanwhile.
    for await (const entry of listFiles({ ...options, repo: { type: 'model', name: repository }, revision: sha })) {
      if (entry.type !== 'file') continue;
      const file = fileOf(entry);
      if (file === undefined) throw unexpected(hub, `no digest or size of ${JSON.stringify(entry.path)}`);
      files.push(file);
    }
    return { commit: sha, files };
  } catch (error) {
    if (error instanceof SyntaxError) throw unexpected(hub, 'no JSON');
    return explainRefusal(error, hub, repository, revision === 'main' ? repository : `${repository}@${revision}`);
  }
}
