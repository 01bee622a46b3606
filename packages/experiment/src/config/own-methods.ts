/**
 * The methods that have a runner of their own, by name, each with the keys that it reads beside those of every run.
 * Baselines and models of `@crossgate/cf`, and methods of `@crossgate/fusion`, are declared there. What runs each stands in
 * `runners/index.ts`.
 */

/** What a config needs to know of a method. */
export interface OwnMethod {
  /** Keys and sections that it reads. A key that another one makes moot counts as read. */
  readonly reads: readonly string[];
  /** Whether its prompt can name what CF recommends: it then reads `prompt.neighbors`, and with it the keys of `cf`. */
  readonly namesNeighbors?: true;
}

/** Every such method. */
export const ownMethods = {
  'api-llm': {
    reads: [
      'api',
      'prompt.noun',
      'prompt.historyLength',
      'prompt.template',
      'training.stage1.rows',
      'training.stage1.epochs',
    ],
    namesNeighbors: true,
  },
} as const satisfies Readonly<Record<string, OwnMethod>>;

/** Name of such a method. */
export type OwnMethodName = keyof typeof ownMethods;

/** The declaration of a method, if it is one of these. */
export function findOwnMethod(name: string): OwnMethod | undefined {
  return Object.hasOwn(ownMethods, name) ? ownMethods[name as OwnMethodName] : undefined;
}
