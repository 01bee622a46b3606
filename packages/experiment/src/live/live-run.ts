/** A finished run that answers for what came after it: newer events, people and items it has never seen. */
import type { AttributeSummary, AttributeType, ItemAttributes, Where } from '@crossgate/data';
import type { RepeatRule } from '@crossgate/eval';

/** Something that a user did. */
export interface LiveEvent {
  /** Id in the source; a user that the run has never seen becomes known by it. */
  readonly user: string;
  /** Id in the source, of an item of the run or one added to it. */
  readonly item: string;
  /** 1: likes; 0: dislikes. */
  readonly label: 0 | 1;
  /** Seconds since 1970, UTC. */
  readonly timestamp: number;
}

/** An item that came after the training. */
export interface NewItem {
  /** Id in the source. */
  readonly id: string;
  /** Title, for prompts and output. */
  readonly title: string;
  /** What is known of it, by the attributes of the run's data. Default: nothing. */
  readonly attributes?: ItemAttributes | undefined;
}

/** An item as the run knows it. */
export interface LiveItem {
  /** Id in the source. */
  readonly id: string;
  /** Title, for prompts and output. */
  readonly title: string;
  /** `trained`: it has train rows; `untrained`: in the data without train rows; `added`: it came after the training. */
  readonly known: 'trained' | 'untrained' | 'added';
}

/** What an answer for a person goes by. */
export type Basis =
  /** What the run learned of this user in training. */
  | 'user'
  /** A vector solved for this person on the run's item vectors, which stay as they are. */
  | 'folded-in'
  /** The history alone: the model needs no vector of a user. */
  | 'history'
  /** Nothing that the model could go by: the popular items, the same for everybody; a score is a number of users. */
  | 'popularity';

/** For whom something is asked: a user by id, or anybody by a history. */
export type Person =
  | { readonly user: string }
  | {
      /** Ids of liked items, oldest first. */
      readonly history: readonly string[];
      /** Ids of disliked items, oldest first. Default: none. */
      readonly dislikes?: readonly string[];
    };

/** The history of a person. */
export interface LiveHistory {
  /** Whether the run, or an event since, knows the user's id. */
  readonly known: 'trained' | 'untrained' | 'added';
  /** Likes and dislikes, oldest first: those of the run's data and those observed since. */
  readonly events: readonly { readonly item: string; readonly label: 0 | 1; readonly timestamp: number | null }[];
}

/** An item with its scores; a part that the run does not have is null. */
export interface LiveScores {
  /** Id in the source. */
  readonly item: string;
  /** The run's score: a probability, or a number of users where the basis is `popularity`. */
  readonly score: number;
  /** Score by CF alone, or null: the run has none, or CF knows nothing of the item. */
  readonly cf: number | null;
  /** Score by the language model, fused where the run fuses, or null: it has none, or it was not asked. */
  readonly llm: number | null;
}

/** How many items CF hands to the language model unless it is said. */
export const HANDED_ON = 200;

/** What a list is asked with. */
export interface LiveListOptions {
  /** The most items to give. Default: 10. */
  readonly top?: number;
  /** How many CF hands to the language model; runs without both ignore it. Default: 200. */
  readonly candidates?: number;
  /**
   * Ids of the only items to choose from. Default: all but those that the person has events with. CF alone leaves out
   * untrained and added items too; the language model is handed them where CF can rank fewer than `candidates`.
   */
  readonly among?: readonly string[];
  /** What the attributes of the items must be, of those in `among` too. Default: anything. */
  readonly where?: Where;
  /** A text that the titles of the items must have, in any case, of those in `among` too. Default: anything. */
  readonly titleContains?: string;
  /**
   * Whether items that the person has events with, likes and dislikes, may be in the list. Default: `exclude`, unless they
   * are `among`.
   */
  readonly repeats?: RepeatRule;
  /** Ids of items to leave out. */
  readonly exclude?: readonly string[];
  /** `cf`: CF's order alone, without the language model, which a run without CF refuses. Default: `full`. */
  readonly effort?: 'full' | 'cf';
  /** Called as the language model scores candidates. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between two batches of the language model. */
  readonly signal?: AbortSignal;
}

/** Which users or items are listed. */
export interface LiveQuery {
  /** Part of an id or title, in any case. Default: all are. */
  readonly query?: string;
  /** The most to list. Default: no limit. */
  readonly limit?: number;
}

/** What an explanation is asked with. */
export interface LiveExplainOptions {
  /** The most items of the history to name for each item. Default: 3. */
  readonly most?: number;
  /** Stops between two scores. */
  readonly signal?: AbortSignal;
}

/** A list for one person, best first. */
export interface LiveList {
  /** Best first. */
  readonly items: readonly LiveScores[];
  /** What it goes by. */
  readonly basis: Basis;
}

/**
 * A finished run with its model and its own copy of the data open. Ids are the source's throughout. One call uses the
 * GPU at a time; calls made meanwhile wait in order. What is observed or added lives in memory: whoever wants it to
 * last keeps it and hands it in again.
 */
export interface LiveRun extends AsyncDisposable {
  /** Absolute path of the run folder. */
  readonly path: string;
  /** Name of the method. */
  readonly method: string;
  /** SHA-256 in hex, first 12 digits: what was learned, the language model and the config. */
  readonly model: string;
  /** Name of the adapter in use. */
  readonly adapter: string;
  /** Parts of a score that the run can give. */
  readonly parts: { readonly cf: boolean; readonly llm: boolean };
  /**
   * Names and types of the attributes that items have, by which lists are filtered; null: the run's data were kept by a
   * version that knew none.
   */
  readonly attributes: readonly AttributeType[] | null;
  /** The values that attributes have among all items. */
  attributeValues(): readonly AttributeSummary[];
  /** The attributes of an item. @throws InputError for an unknown id */
  attributesOf(id: string): ItemAttributes;
  /** What is known of a user, or undefined. */
  user(id: string): LiveHistory | undefined;
  /** An item, or undefined. */
  item(id: string): LiveItem | undefined;
  /** Ids of users, those of the run first; `query`: part of the id, in any case. */
  users(options?: LiveQuery): string[];
  /** Items, those of the run first; `query`: part of id or title, in any case. */
  items(options?: LiveQuery): LiveItem[];
  /**
   * Joins events to histories at once; earlier ones find their place by timestamp.
   * @throws InputError for an item that neither the run nor `addItems` knows; then none is taken
   */
  observe(events: readonly LiveEvent[]): void;
  /**
   * Adds items by title, for the language model; CF alone cannot rank them. Of items that are known, the run's own too,
   * the attributes that are given take the place of the former values.
   * @throws InputError for an id that has another title already, and for attributes that the run's data do not have or
   *   that have another type; then none is added
   */
  addItems(items: readonly NewItem[]): void;
  /** Whether the language model's prompts have room for a title: with one that is too long, no list can be given. */
  fits(title: string): boolean;
  /**
   * The best items of a person.
   * @throws InputError for unknown users and items, and for a filter that does not fit the attributes; the reason of
   *   `signal`
   */
  recommend(person: Person, options?: LiveListOptions): Promise<LiveList>;
  /**
   * Scores of items for one person, in their order.
   * @throws as `recommend`; also for an item of which the run knows nothing it could go by
   */
  score(
    person: Person,
    items: readonly string[],
    options?: Pick<LiveListOptions, 'effort' | 'onProgress' | 'signal'>,
  ): Promise<{ readonly basis: Basis; readonly scores: readonly LiveScores[] }>;
  /**
   * For each of some items, what its score for this person loses when one item of the history is taken out: those that
   * moved it most, first. Costs one score per history item that the model reads. Where CF alone goes by a learned
   * vector, which reads no history, the vector that would be solved for in its place is explained.
   */
  explain(
    person: Person,
    items: readonly string[],
    options?: LiveExplainOptions,
  ): Promise<readonly (readonly { readonly item: string; readonly change: number }[])[]>;
  /**
   * Nearest items by the cosine of CF vectors, best first, without the item itself: the answer of `similarItems`. A run
   * on a language model compares the vectors that it tuned, one with two CF models by the mean of both cosines.
   * @throws InputError for a run without CF, or an item without train rows
   */
  similar(item: string, top?: number): Promise<readonly { readonly item: string; readonly score: number }[]>;
  /** Frees what was opened. Waits for the call in progress. */
  close(): Promise<void>;
}
