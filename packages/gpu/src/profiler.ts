// Time per kernel from GPU timestamps, as a table and as a Chrome trace.
import { textTable } from '@crossgate/core';

/** Time of all dispatches of one kernel. */
export interface ProfileRow {
  /** Name of the kernel. */
  readonly name: string;
  /** Dispatches. */
  readonly count: number;
  /** Nanoseconds in all dispatches of this name. */
  readonly nanoseconds: number;
}

/** One dispatch as an event of Chrome's trace format. */
export interface TraceEvent {
  /** Name of the kernel. */
  readonly name: string;
  /** Kind of event: one that has a duration. */
  readonly ph: 'X';
  /** Process; there is one. */
  readonly pid: 0;
  /** Thread; there is one. */
  readonly tid: 0;
  /** Microseconds since the first dispatch. */
  readonly ts: number;
  /** Microseconds that the dispatch took. */
  readonly dur: number;
}

/** Collects (name, begin, end) of dispatches. Attached to a recorder by `recorder.profiler = new Profiler()`. */
export class Profiler {
  readonly #events: { name: string; begin: bigint; end: bigint }[] = [];

  /** Adds a dispatch that ran from `begin` to `end`, in nanoseconds of the GPU's clock. */
  add(name: string, begin: bigint, end: bigint): void {
    this.#events.push({ name, begin, end });
  }

  /** Totals per kernel, the longest first. */
  rows(): ProfileRow[] {
    const totals = new Map<string, { count: number; nanoseconds: number }>();
    for (const { name, begin, end } of this.#events) {
      const row = totals.get(name) ?? { count: 0, nanoseconds: 0 };
      row.count++;
      row.nanoseconds += Number(end - begin);
      totals.set(name, row);
    }
    return [...totals].map(([name, row]) => ({ name, ...row })).sort((a, b) => b.nanoseconds - a.nanoseconds);
  }

  /** A plain text table of {@link rows}. */
  table(): string {
    const rows = this.rows();
    const total = rows.reduce((sum, row) => sum + row.nanoseconds, 0);
    const share = (nanoseconds: number) => `${((100 * nanoseconds) / Math.max(1, total)).toFixed(1)}%`;
    return textTable([
      ['kernel', 'count', 'ms', 'share'],
      ...rows.map(({ name, count, nanoseconds }) => [
        name,
        `${count}`,
        (nanoseconds / 1e6).toFixed(3),
        share(nanoseconds),
      ]),
    ]);
  }

  /** Events for chrome://tracing or Perfetto. */
  trace(): TraceEvent[] {
    let first = this.#events[0]?.begin ?? 0n;
    for (const { begin } of this.#events) if (begin < first) first = begin;
    return this.#events.map(({ name, begin, end }) => ({
      name,
      ph: 'X',
      pid: 0,
      tid: 0,
      ts: Number(begin - first) / 1e3,
      dur: Number(end - begin) / 1e3,
    }));
  }

  /** Forgets all dispatches. */
  clear(): void {
    this.#events.length = 0;
  }
}
