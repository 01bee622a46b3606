/** The server's endpoints as the page uses them: token, busy answers and errors are dealt with here. */

/** What a list goes by. */
export type Basis = 'user' | 'folded-in' | 'history' | 'popularity';

/** A user by id, or anybody by ids of liked and disliked items, oldest first. */
export type PersonQuery =
  | { readonly user: string }
  | { readonly history: readonly string[]; readonly dislikes?: readonly string[] };

/** What an item's score lost when one item of the history was taken out. */
export interface Reason {
  readonly item: string;
  readonly title: string;
  readonly change: number;
}

/** An item with its scores: probabilities, or a number of users where the basis is `popularity`. */
export interface Ranked {
  readonly item: string;
  readonly title: string;
  readonly score: number;
  readonly cf?: number | null;
  readonly llm?: number | null;
  readonly reasons?: readonly Reason[];
}

/** A list, best first. */
export interface List {
  readonly items: readonly Ranked[];
  readonly basis: Basis;
  /** The deadline passed: CF's order alone, or reasons are left out. */
  readonly degraded?: boolean;
  /** Milliseconds. */
  readonly took: number;
  readonly model: string;
}

/** A user with likes and dislikes, oldest first. */
export interface User {
  readonly user: string;
  readonly known: 'trained' | 'untrained' | 'added';
  readonly events: readonly { readonly item: string; readonly title: string; readonly label: 0 | 1 }[];
}

/** What is asked for in a list. */
export interface ListQuery {
  readonly top: number;
  readonly exclude?: readonly string[];
  /** The only items to choose from. */
  readonly among?: readonly string[];
  readonly explain?: boolean;
  readonly where?: Where;
}

/** What attributes of items must be: any of some texts. */
export type Where = Readonly<Record<string, { readonly any: readonly string[] }>>;

/** An attribute of items; one of numbers has no values to choose from. */
export interface Attribute {
  readonly name: string;
  /** The most frequent first. */
  readonly values?: readonly { readonly value: string; readonly items: number }[];
}

/** What the server serves. */
export interface Readiness {
  readonly method: string;
  readonly parts: { readonly cf: boolean; readonly llm: boolean };
  readonly model: string;
}

/** An item that the run knows. */
export interface Item {
  readonly item: string;
  readonly title: string;
  readonly known: 'trained' | 'untrained' | 'added';
}

/** An answer that is no answer: what happened, and what to do about it. */
export class ApiError extends Error {
  /** @param status of HTTP; 0 where none came */
  constructor(
    readonly status: number,
    message: string,
    readonly fix: string | undefined,
    readonly requestId: string | undefined,
  ) {
    super(message);
  }
}

/** What the endpoints need of the page. */
export interface ApiOptions {
  /** The token in use, if any. */
  token(): string | null;
  /** Asks the reader for a token; false: they would not give one. `refused`: the one in use was not taken. */
  askToken(refused: boolean): Promise<boolean>;
  /** Called when the server is busy, and the page asks again after some seconds. */
  onBusy(seconds: number): void;
}

/** How often a busy server is asked again, and the longest wait for it, in seconds. */
const attempts = 3;
const longestWait = 10;

/** The endpoints. Every call rejects with `ApiError`, or with the signal's reason. */
export function createApi(options: ApiOptions) {
  /** One dialog at a time, also for requests made together. */
  let asking: Promise<boolean> | undefined;

  async function send<Answer>(path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const token = options.token();
      const response = await fetch(new URL(path, document.baseURI), {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(token !== null && { authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      }).catch((error) => {
        if (signal?.aborted) throw error;
        throw new ApiError(0, 'The server does not answer.', 'See whether it still runs, then ask again.', undefined);
      });
      if (response.status === 401) {
        // A token may have been given while this request was under way.
        if (options.token() !== token) continue;
        asking ??= options.askToken(token !== null).finally(() => {
          asking = undefined;
        });
        if (await asking) continue;
      }
      const wait = Number(response.headers.get('retry-after') ?? 1);
      if (response.status === 429 && attempt < attempts && wait <= longestWait) {
        options.onBusy(wait);
        await pause(wait, signal);
        continue;
      }
      const answer = await response.json().catch((error) => {
        if (signal?.aborted) throw error;
        return undefined;
      });
      if (response.ok && answer !== undefined) return answer as Answer;
      throw refusal(response.status, answer);
    }
  }

  return {
    users: (query: string, limit: number, signal?: AbortSignal) =>
      send<{ users: string[] }>(`v1/users?${new URLSearchParams({ query, limit: String(limit) })}`, undefined, signal),
    user: (id: string, signal?: AbortSignal) => send<User>(`v1/users/${encodeURIComponent(id)}`, undefined, signal),
    items: (query: string, limit: number, signal?: AbortSignal) =>
      send<{ items: Item[] }>(`v1/items?${new URLSearchParams({ query, limit: String(limit) })}`, undefined, signal),
    addItem: (item: string, title: string) => send<{ ranked: boolean }>('v1/items', { items: [{ item, title }] }),
    recommend: (person: PersonQuery, list: ListQuery, signal: AbortSignal) =>
      send<List>('v1/recommend', { ...person, ...list }, signal),
    attributes: () => send<{ attributes: Attribute[] }>('v1/attributes?limit=100'),
    ready: () => send<Readiness>('readyz'),
  };
}

function refusal(status: number, answer: unknown): ApiError {
  const { error, requestId } = (answer ?? {}) as {
    error?: { message?: string; path?: string; fix?: string };
    requestId?: string;
  };
  const fallback = status === 429 ? 'The server is busy.' : `The server answered ${status}, without saying why.`;
  return new ApiError(status, error?.message ?? fallback, error?.fix, requestId);
}

function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
