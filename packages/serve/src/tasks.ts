/** The work that requests share, and how it is shared. */
import type { Where } from '@crossgate/data';
import type { Basis, LiveList, LiveRun, LiveScores, Person } from '@crossgate/experiment';
import type { Effort, Task } from './queue';

/** A list that is asked for. Lists that differ in `top` alone share the longest. */
export interface ListAsk {
  readonly person: Person;
  readonly top: number;
  readonly candidates: number;
  readonly among: readonly string[] | undefined;
  readonly exclude: readonly string[];
  readonly repeats: 'exclude' | 'allow';
  /** In one form: see `orderedWhere`. */
  readonly where: Where;
  /** In lower case. */
  readonly titleContains: string | undefined;
}

/** Scores that are asked for. Those for one person share a call. */
export interface ScoreAsk {
  readonly person: Person;
  readonly items: readonly string[];
}

/** Scores of one person, in the order of the items that were asked for. */
export interface ScoreAnswer {
  readonly basis: Basis;
  readonly scores: readonly LiveScores[];
}

/** History items that moved the score of one item, first the one that moved it most. */
export type Reasons = readonly { readonly item: string; readonly change: number }[];

/** Similar items that are asked for. */
export interface SimilarAsk {
  readonly item: string;
  readonly top: number;
}

/** History items that an explanation names. */
const MOST_REASONS = 3;

/** All tasks of a run. */
export interface Tasks {
  readonly list: Task<ListAsk, LiveList>;
  readonly score: Task<ScoreAsk, ScoreAnswer>;
  readonly explain: Task<ScoreAsk, readonly Reasons[]>;
  readonly similar: Task<SimilarAsk, Awaited<ReturnType<LiveRun['similar']>>>;
}

/** What a run may be told by `effort`: a run without both parts takes none but its own. */
const effortOf = (run: LiveRun, effort: Effort) => (run.parts.cf && run.parts.llm ? effort : 'full');

/** Items of several asks, each once. */
const union = (asks: readonly ScoreAsk[]): string[] => [...new Set(asks.flatMap(({ items }) => items))];

/** Asks with one key have one person. */
const personOf = (asks: readonly { readonly person: Person }[]): Person => asks[0]!.person;

/** The work of a run. */
export function tasksOf(run: LiveRun): Tasks {
  const { cf, llm } = run.parts;
  const shared = { lane: 'full', canDegrade: cf && llm, canStop: llm } as const;
  return {
    list: {
      ...shared,
      name: 'list',
      key: ({ person, candidates, among, exclude, repeats, where, titleContains = null }) =>
        JSON.stringify([person, candidates, among ?? null, exclude, repeats, where, titleContains]),
      async compute(asks, effort, signal) {
        const { person, candidates, among, exclude, repeats, where, titleContains } = asks[0]!;
        const top = Math.max(...asks.map((ask) => ask.top));
        const list = await run.recommend(person, {
          ...{ top, candidates, exclude, repeats, where, signal, effort: effortOf(run, effort) },
          ...(among && { among }),
          ...(titleContains !== undefined && { titleContains }),
        });
        return asks.map((ask) => ({ ...list, items: list.items.slice(0, ask.top) }));
      },
    },
    score: {
      ...shared,
      name: 'score',
      key: ({ person }) => JSON.stringify(person),
      async compute(asks, effort, signal) {
        const items = union(asks);
        const found = await run.score(personOf(asks), items, { effort: effortOf(run, effort), signal });
        const byItem = new Map(items.map((item, index) => [item, found.scores[index]!]));
        return asks.map((ask) => ({ basis: found.basis, scores: ask.items.map((item) => byItem.get(item)!) }));
      },
    },
    explain: {
      ...shared,
      name: 'explain',
      canDegrade: false,
      canStop: true,
      key: ({ person }) => JSON.stringify(person),
      async compute(asks, _effort, signal) {
        const items = union(asks);
        const found = await run.explain(personOf(asks), items, { most: MOST_REASONS, signal });
        const byItem = new Map(items.map((item, index) => [item, found[index]!]));
        return asks.map((ask) => ask.items.map((item) => byItem.get(item)!));
      },
    },
    similar: {
      ...{ name: 'similar', lane: 'quick', canDegrade: false, canStop: false },
      key: ({ item }) => item,
      async compute(asks) {
        const found = await run.similar(asks[0]!.item, Math.max(...asks.map((ask) => ask.top)));
        return asks.map((ask) => found.slice(0, ask.top));
      },
    },
  };
}
