/** What the Hugging Face Hub says of a repository: the commit of a revision, and its files with their digests. */

import { STATUS_CODES } from 'node:http';
import { CrossgateError, InputError } from '@crossgate/core';
import { type Environment, type NetworkOptions, patientFetch, RefusedError } from '@crossgate/files';
import { loginOf, offlineBy, tokenPath } from './environment';

/** A place to ask. */
export interface Hub {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Sent to the endpoint's own host, as `Authorization: Bearer`; absent: only public repositories can be read. */
  readonly token?: string;
  /** Where the token comes from, in words; without one, where it would be stored. */
  readonly tokenFrom?: string;
  /** The variable of the environment that says not to ask. */
  readonly offline?: string;
}

/** A file of a commit, by name within the repository. */
export type HubFile = { readonly path: string; readonly bytes: number } & (
  | { readonly sha256: string; readonly gitBlob?: never }
  | { readonly gitBlob: string; readonly sha256?: never }
);

/**
 * The Hub as the environment describes it to Hugging Face's own programs: `HF_ENDPOINT`, the login (`HF_TOKEN`,
 * `HUGGING_FACE_HUB_TOKEN`, or the file that `hf auth login` writes, which `HF_TOKEN_PATH` and `HF_HOME` move), and
 * `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`.
 * @param cwd relative folders start here
 * @throws InputError for an endpoint that is no address, and for a token that cannot be read or sent
 */
export function hubOf(env: Environment, cwd: string = process.cwd()): Hub {
  const endpoint = (env.HF_ENDPOINT?.trim() || 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new InputError(`HF_ENDPOINT: ${endpoint} is not an address`, {
      code: 'hub.address',
      fix: 'give one such as https://huggingface.co',
    });
  }
  if (new URL(endpoint).username !== '') {
    throw new InputError('HF_ENDPOINT: it has a user or a password in it', {
      code: 'hub.address',
      fix: 'leave them out, and give the token as HF_TOKEN',
    });
  }
  const login = loginOf({ env, cwd });
  const offline = offlineBy(env);
  return {
    endpoint,
    ...(login && { token: login.token }),
    tokenFrom: login?.from ?? tokenPath({ env, cwd }),
    ...(offline !== undefined && { offline }),
  };
}

/** Where a login would be found, after `set HF_TOKEN`. */
const storedAt = ({ tokenFrom }: Hub) => (tokenFrom === undefined ? '' : `, or log in (no token is in ${tokenFrom})`);

/**
 * Names what the user can do about a refusal. Any other error is thrown as it is.
 * @param what the repository, and the revision where one was named
 * @throws InputError for the statuses 401, 403 and 404; CrossgateError for others that the Hub gives
 */
export function explainRefusal(error: unknown, hub: Hub, repository: string, what: string): never {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  const status = error instanceof RefusedError ? error.status : statusCode;
  const page = `${hub.endpoint}/${repository}`;
  if (status === 401) {
    const [why, fix] =
      hub.token === undefined
        ? ['no such repository, or a private one', `check the name, or set HF_TOKEN${storedAt(hub)}`]
        : [`${hub.tokenFrom ?? 'the token'} is not valid for it`, 'set HF_TOKEN to a new one'];
    throw new InputError(`the Hub says 401: ${why}`, { code: 'hub.access', place: what, fix });
  }
  if (status === 403) {
    const how = hub.token ? `with the account of ${hub.tokenFrom ?? 'the token'}` : 'and set HF_TOKEN';
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
  // The Hub's library says no more than the number, and an address that may be empty.
  if (typeof statusCode === 'number') {
    throw unexpected(hub, `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trimEnd(), `look at ${page}`);
  }
  throw error;
}

function unexpected(hub: Hub, why: string, fix = 'check HF_ENDPOINT'): Error {
  return new CrossgateError(`does not answer as the Hugging Face Hub does (${why})`, {
    code: 'hub.answer',
    place: hub.endpoint,
    fix,
  });
}

/** A fetch that gives the token to the endpoint's own host alone: a mirror may name pages of a listing elsewhere. */
function fetchOf(hub: Hub, options: NetworkOptions): typeof fetch {
  const ask = patientFetch(options);
  const { origin } = new URL(hub.endpoint);
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (hub.token !== undefined && new URL(String(input)).origin === origin) {
      headers.set('authorization', `Bearer ${hub.token}`);
    }
    const response = await ask(input, { ...init, headers });
    // A network or a proxy that asks for a login says so with status 200.
    if (response.ok && /^text\/html/i.test(response.headers.get('content-type') ?? '')) {
      const fix = 'check HF_ENDPOINT; a network or proxy may ask for a login: open the address in a browser';
      throw unexpected(hub, 'a web page', fix);
    }
    return response;
  };
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
  network: NetworkOptions,
): Promise<{ commit: string; files: HubFile[] }> {
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  // The library takes tokens of one form alone, so it is given none.
  const options = { hubUrl: hub.endpoint, fetch: fetchOf(hub, network) };
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
