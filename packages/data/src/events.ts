/** Collects events by source ids in columns, and filters, orders and splits them into a data set. */

import { InputError } from '@crossgate/core';
import { type Assembly, type Events, finishDataset, layOut } from './assemble';
import type { Dataset, Recipe } from './dataset';
import type { FilterPlan, SplitPlan } from './options';
import { ownText } from './own-text';
import { splitRows } from './splits';

type Numbers = Int32Array | Float64Array | Uint8Array;

/** A typed array that grows: half the memory of a list of numbers, and none of it copied more than twice. */
class Column<Values extends Numbers> {
  private values: Values;
  private length = 0;

  constructor(private readonly kind: new (length: number) => Values) {
    this.values = new kind(1024);
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new this.kind(2 * this.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  /** Hands over the values, and keeps none. */
  finish(): Values {
    const { values, length } = this;
    this.values = new this.kind(1024);
    this.length = 0;
    return values.subarray(0, length) as Values;
  }
}

/** Numbers 0, 1, … for texts, in order of first appearance. */
class Names {
  private readonly numberOf = new Map<string, number>();
  /** The same for texts that are whole numbers, which tables have as such. */
  private readonly ofInteger = new Map<number, number>();
  readonly texts: string[] = [];

  number(id: string | number): number {
    if (typeof id === 'string') return this.ofText(id);
    const known = this.ofInteger.get(id);
    if (known !== undefined) return known;
    const number = this.ofText(String(id));
    this.ofInteger.set(id, number);
    return number;
  }

  has(id: string | number): boolean {
    return typeof id === 'string' ? this.numberOf.has(id) : this.ofInteger.has(id);
  }

  private ofText(text: string): number {
    const known = this.numberOf.get(text);
    if (known !== undefined) return known;
    const own = ownText(text);
    this.numberOf.set(own, this.texts.length);
    return this.texts.push(own) - 1;
  }
}

/** Events in the order of their file. */
export class EventTable {
  private readonly users = new Names();
  private readonly items = new Names();
  private readonly columns = {
    user: new Column(Int32Array),
    item: new Column(Int32Array),
    label: new Column(Uint8Array),
    timestamp: new Column(Float64Array),
  };
  rows = 0;

  /**
   * @param user, @param item ids; a whole number stands for its digits
   * @param timestamp seconds since 1970; 0 where the source has none
   */
  add(user: string | number, item: string | number, label: boolean, timestamp: number): void {
    this.columns.user.push(this.users.number(user));
    this.columns.item.push(this.items.number(item));
    this.columns.label.push(label ? 1 : 0);
    this.columns.timestamp.push(timestamp);
    this.rows++;
  }

  /** Whether an event before has this item; of a number, it may say no the first time. */
  knowsItem(item: string | number): boolean {
    return this.items.has(item);
  }

  /** Source ids of all users so far. */
  get userIds(): readonly string[] {
    return this.users.texts;
  }

  /** Source ids of all items so far. */
  get itemIds(): readonly string[] {
    return this.items.texts;
  }

  /** Hands over the columns and the texts of their numbers; the table keeps no rows. */
  finish() {
    const { user, item, label, timestamp } = this.columns;
    return {
      user: user.finish(),
      item: item.finish(),
      label: label.finish(),
      timestamp: timestamp.finish(),
      users: this.users.texts,
      items: this.items.texts,
    };
  }
}

function countRows(ids: Int32Array, rows: Int32Array, count: number): Int32Array {
  const counts = new Int32Array(count);
  for (const row of rows) {
    const id = ids[row] as number;
    counts[id] = (counts[id] as number) + 1;
  }
  return counts;
}

/** Row numbers that stay, in file order. */
function filterRows(user: Int32Array, item: Int32Array, users: number, items: number, plan: FilterPlan): Int32Array {
  // Counted loops over one array: lists of a hundred million numbers would not fit beside the columns.
  let rows = new Int32Array(user.length);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  const keep = (leastUser: number, leastItem: number): boolean => {
    if (leastUser <= 1 && leastItem <= 1) return false;
    const [ofUser, ofItem] = [countRows(user, rows, users), countRows(item, rows, items)];
    let kept = 0;
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index] as number;
      const stays =
        (ofUser[user[row] as number] as number) >= leastUser && (ofItem[item[row] as number] as number) >= leastItem;
      if (stays) rows[kept++] = row;
    }
    const isLess = kept < rows.length;
    rows = rows.subarray(0, kept);
    return isLess;
  };
  keep(plan.minUserRows, plan.minItemRows);
  while (keep(plan.kCore, plan.kCore));
  return rows;
}

/** Rows by user, those of each user by time; where both are equal, they stay in their order. */
function orderRows(rows: Int32Array, user: Int32Array, timestamp: Float64Array, users: number): Int32Array {
  const next = new Int32Array(users + 1);
  for (let index = 0; index < rows.length; index++) next[(user[rows[index] as number] as number) + 1]!++;
  for (let id = 0; id < users; id++) next[id + 1]! += next[id] as number;
  const starts = next.slice();
  const ordered = new Int32Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as number;
    ordered[next[user[row] as number]!++] = row;
  }
  const timeAt = (index: number) => timestamp[ordered[index] as number] as number;
  for (let id = 0; id < users; id++) {
    const [start, end] = [starts[id] as number, starts[id + 1] as number];
    let index = start + 1;
    while (index < end && timeAt(index - 1) <= timeAt(index)) index++;
    if (index >= end) continue;
    ordered.subarray(start, end).sort((a, b) => (timestamp[a] as number) - (timestamp[b] as number) || a - b);
  }
  return ordered;
}

/** The values of some rows, in their order. */
function pick<Values extends Numbers>(column: Values, rows: Int32Array): Values {
  const picked = new (column.constructor as new (length: number) => Values)(rows.length);
  for (let index = 0; index < rows.length; index++) picked[index] = column[rows[index] as number] as number;
  return picked;
}

/** What `assembleEvents` makes a data set from. */
export interface EventAssembly {
  readonly name: string;
  readonly recipe: Recipe;
  readonly warnings?: readonly string[];
  readonly events: EventTable;
  readonly plan: {
    readonly filter: FilterPlan;
    /** A plan, or what gives the split of each row (0, 1 or 2) from its time and its place in the file. */
    readonly split: SplitPlan | ((timestamp: Float64Array, fileRow: Int32Array) => Uint8Array);
  };
  /** Further warnings, from the ids of the items that stayed. */
  remark?(items: readonly string[]): readonly string[];
  /** The title of an item by its source id. */
  titleOf(item: string): string;
  /** See `Assembly`. */
  readonly attributes?: Assembly['attributes'];
}

/**
 * Filters, orders by (user's first appearance, timestamp, file order), splits and assembles events. Histories are all
 * earlier positives; after a random split only those in train, because the other rows are not known when it is drawn.
 *
 * @throws InputError when no row is left, or none to train on
 */
export async function assembleEvents(assembly: EventAssembly): Promise<Dataset> {
  const { layout, users, items } = layOutTable(assembly);
  const remarks = assembly.remark?.(layout.items.map((number) => items[number] as string)) ?? [];
  return finishDataset(layout, {
    name: assembly.name,
    recipe: assembly.recipe,
    warnings: [...(assembly.warnings ?? []), ...remarks],
    userId: (number) => users[number] as string,
    itemOf: (number) => {
      const id = items[number] as string;
      return { id, title: assembly.titleOf(id) };
    },
    attributes: assembly.attributes,
  });
}

/** The events in their final order. The columns of the table die here: beside what is kept of them they would be a half more. */
function layOutTable(assembly: EventAssembly) {
  const { users, items, events, histories } = orderTable(assembly);
  return { users, items, layout: layOut(events, histories) };
}

function orderTable(assembly: EventAssembly) {
  const columns = assembly.events.finish();
  const { users, items } = columns;
  const { filter, split: plan } = assembly.plan;
  const kept = filterRows(columns.user, columns.item, users.length, items.length, filter);
  if (kept.length === 0) {
    throw new InputError(`the filters leave none of ${columns.user.length} rows`, {
      code: 'data.empty',
      place: assembly.name,
      fix: 'lower data.filter',
    });
  }
  const rows = orderRows(kept, columns.user, columns.timestamp, users.length);
  /** The ordered column; the one in file order is let go, so that both are there for one column at a time. */
  const take = <Key extends 'user' | 'item' | 'label' | 'timestamp'>(key: Key): (typeof columns)[Key] => {
    const ordered = pick(columns[key], rows);
    // Not a part of it, which would keep it in memory.
    columns[key] = new Uint8Array() as never;
    return ordered;
  };
  const ordered = take('user');
  const times = take('timestamp');
  const split = typeof plan === 'function' ? plan(times, rows) : splitRows(ordered, times, plan);
  const by = typeof plan === 'function' ? 'time' : plan.by;
  if (!split.includes(0)) {
    throw new InputError(`the split by ${by} leaves no row to train on`, {
      code: 'data.empty',
      place: assembly.name,
      fix: 'change data.split',
    });
  }
  const events: Events = { user: ordered, item: take('item'), label: take('label'), timestamp: times, split };
  return { users, items, events, histories: by === 'ratio' ? ('train' as const) : ('all' as const) };
}
