/** An answer of a finished run to very many questions, of which any stretch can be made by itself. */
import type { FileContent } from '@crossgate/files';
import type { PartManifest } from './part-file';
import type { ListFormat } from './table-formats';

/** What was written, counted: numbers that add up, also in groups. */
export interface BulkCounts {
  [name: string]: number | { [name: string]: number };
}

/** Questions to a finished run: pairs to score, or users to make lists for. Close it. */
export interface Bulk {
  /** The command that asks. */
  readonly command: 'predict' | 'recommend';
  /** Method of the run. */
  readonly method: string;
  /** All that the answer depends on, in the order in which differences are named. */
  readonly manifest: PartManifest;
  /** Number of pairs or users. */
  readonly units: number;
  /**
   * Above 1 where as many units share work: a stretch that begins at a multiple has the bits that it has in the whole. On
   * some GPUs, other stretches may differ in the last bits.
   */
  readonly step: number;
  /** Opens what the answer is computed with, such as the run's models, unless it is open. What is finished needs none. */
  open(): Promise<void>;
  /**
   * Makes the answer, once it is open, to the units from `from` (counted from 0) up to and without `to`.
   * @param counts is filled as the content is made
   */
  content(format: ListFormat, from: number, to: number, counts: BulkCounts): FileContent;
  /** Frees what was opened beyond what the session lends. */
  close(): Promise<void>;
}

/** Adds to counts, name by name. */
export function addCounts(counts: BulkCounts, more: Readonly<BulkCounts>): void {
  for (const [name, value] of Object.entries(more)) {
    const known = counts[name];
    if (typeof value === 'number') counts[name] = (typeof known === 'number' ? known : 0) + value;
    else {
      const group = typeof known === 'object' ? known : {};
      for (const [key, count] of Object.entries(value)) group[key] = (group[key] ?? 0) + count;
      counts[name] = group;
    }
  }
}
