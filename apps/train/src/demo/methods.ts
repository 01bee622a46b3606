/** What the demo runs, in this order: quick ones first, so that there is a table to beat when the long ones begin. */

/** One experiment of the demo. */
export interface DemoMethod {
  /** Its key in the JSON, its config under configs/demo, and its folder in the demo's run folder. */
  readonly key: string;
  readonly label: string;
  /** What it is given to learn from and to score with. */
  readonly sees: string;
}

export const demoMethods: readonly DemoMethod[] = [
  { key: 'item-mean', label: 'item mean', sees: "an item's train labels" },
  { key: 'mean', label: 'item and user mean', sees: "an item's and a user's train labels" },
  { key: 'running-mean', label: 'running mean', sees: 'every earlier label' },
  { key: 'mf', label: 'MF', sees: 'co-occurrence' },
  { key: 'text', label: 'text-only LLM', sees: 'titles' },
  { key: 'ccf', label: 'CCF-LLM', sees: 'titles and co-occurrence' },
];

/** Oracles of the generated world, as the table shows them. */
export const demoOracleRows = [
  { key: 'titles', label: 'oracle: titles', sees: 'titles, true tastes' },
  { key: 'cooccurrence', label: 'oracle: co-occurrence', sees: 'all that titles do not tell' },
  { key: 'full', label: 'oracle: full', sees: 'everything but the draw' },
] as const;

export type DemoOracleName = (typeof demoOracleRows)[number]['key'];

/** The two methods whose knowledge CCF-LLM joins. */
export const PARENTS = ['mf', 'text'] as const;
