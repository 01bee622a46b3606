/** `fetch` for libraries that bring none of their own. */
import type { Environment } from './proxy';

/**
 * A `fetch` that goes through the proxies that the environment names. What it gives rejects with an InputError for a variable
 * that names no proxy.
 */
export function routedFetch(env: Environment): typeof globalThis.fetch {
  // Loaded with the first request: it takes a moment.
  const routed: typeof globalThis.fetch = async (input, init) =>
    (await import('./network')).fetchThrough(env, input, init);
  // openai asks the class that belongs to a `fetch` whether it can send forms.
  return Object.assign(routed, { Response });
}
