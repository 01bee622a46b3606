/** What the ways to recommend share: options, the list that is shown, candidates. */
import { InputError } from '@crossgate/core';
import { readColumns } from '@crossgate/data/node';
import type { Basis, LiveIds } from '@crossgate/experiment';
import { readText } from '@crossgate/files';

/** What `recommend` is asked for. */
export interface RecommendOptions {
  readonly user?: string;
  readonly history?: string;
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

/** Bytes of a list of candidates: some tens of millions of ids. */
const LIMIT = 2 ** 28;

/** Why a list is empty, in words. */
export function wordsOfNone(who: string, likes: number, items: number, method: string, basis: Basis): string {
  const others = '--candidates FILE ranks any items';
  if (likes === items) {
    return `${who} likes ${items === 1 ? 'the only item' : `all ${items} items`}, so there is nothing new to recommend; ${others}`;
  }
  const left = `the items that ${who} does not like yet`;
  return basis === 'popularity'
    ? `nothing is known of ${who} that ${method} could go by, and nobody likes any of ${left}; ${others}`
    : `none of ${left} has train rows, so ${method} cannot rank them; ${others}`;
}

/** @returns ids, each once, in the order of the file @throws InputError naming file and line of an unknown item */
export async function readCandidates(ids: Pick<LiveIds, 'requireItem'>, path: string): Promise<readonly string[]> {
  const found = new Set<string>();
  const take = (id: string, line: number) => {
    ids.requireItem(id, `${path}:${line}`);
    found.add(id);
  };
  const lines = (await readText(path, 'list of candidates', LIMIT)).split(/\r?\n|\r$/);
  if (/(^|,)\s*"?item"?\s*(,|$)/.test(lines[0]!.replace(/^\ufeff/, ''))) {
    for await (const { line, values } of readColumns(path, ['item'])) take(values[0]!, line);
  } else {
    for (const [index, text] of lines.entries()) if (text.trim() !== '') take(text, index + 1);
  }
  if (found.size === 0) throw new InputError('holds no candidates', { code: 'csv.empty', place: path });
  return [...found];
}
