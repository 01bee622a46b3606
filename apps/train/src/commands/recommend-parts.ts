/** What the ways to recommend share: options, and the list that is shown. */
import type { Basis } from '@crossgate/experiment';
import type { ProfileChoice } from '../profile';
import type { ListChoice } from './list-options';
import type { ShardChoice } from './shards';

/** What `recommend` is asked for. */
export interface RecommendOptions extends ListChoice, ShardChoice, ProfileChoice {
  readonly user?: string;
  readonly history?: string;
  readonly allUsers?: boolean;
  readonly out?: string;
  readonly safeCsv?: boolean;
  readonly top: number;
  readonly candidates?: string;
  readonly rerank?: number;
  readonly events?: string;
  readonly items?: string;
  readonly set?: readonly string[];
  readonly yes?: boolean;
}

/** A list of items, best first, as it is shown. */
export interface ShownList {
  /** `user` or `history`, as they were asked for. */
  readonly asked: { readonly user: string } | { readonly history: readonly string[] };
  readonly items: readonly { readonly item: string; readonly title: string; readonly score: number }[];
  readonly basis: Basis;
  readonly method: string;
  /** Why there are none. */
  readonly whyNone: () => string;
}

/** Why a list is empty, in words. */
export function wordsOfNone(of: {
  readonly who: string;
  /** How many items the person knows, of how many. */
  readonly known: number;
  readonly items: number;
  readonly method: string;
  readonly basis: Basis;
  /** Whether `--where` was given. */
  readonly isFiltered: boolean;
}): string {
  const { who, known, items, method, basis, isFiltered } = of;
  if (isFiltered) return `no item that passes --where is left to recommend to ${who}`;
  const others = '--repeats allow ranks known items too, and --candidates FILE any';
  if (known === items) {
    return `${who} knows ${items === 1 ? 'the only item' : `all ${items} items`}, so there is nothing new to recommend; ${others}`;
  }
  const left = `the items that ${who} does not know yet`;
  return basis === 'popularity'
    ? `nothing is known of ${who} that ${method} could go by, and nobody likes any of ${left}; ${others}`
    : `none of ${left} has train rows, so ${method} cannot rank them; ${others}`;
}
