// Prompts packed into one batch: which token, which CF row and which gate row stand at each position.
import type { FusionPositions } from '@crossgate/tensor';
import type { HybridPrompt } from './prompt';

/** Host side of a packed batch of hybrid prompts. */
export interface HybridBatch {
  /** Tokens of each prompt. */
  readonly lengths: readonly number[];
  /** Distinct items, then distinct users, that occur: the rows to align. */
  readonly items: Uint32Array;
  readonly users: Uint32Array;
  /** Distinct tokens of item slots: the rows of the gate's text part. */
  readonly titleTokens: Uint32Array;
  /** CF rows count items first, then users. */
  readonly positions: FusionPositions;
}

/** Numbers distinct values in the order of their first appearance. */
class Numbering {
  readonly #rows = new Map<number, number>();

  row(value: number): number {
    let row = this.#rows.get(value);
    if (row === undefined) {
      row = this.#rows.size;
      this.#rows.set(value, row);
    }
    return row;
  }

  values(): Uint32Array {
    return Uint32Array.from(this.#rows.keys());
  }
}

/** Packs prompts one behind the other. */
export function packPrompts(prompts: readonly HybridPrompt[]): HybridBatch {
  const lengths = prompts.map(({ tokenIds }) => tokenIds.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const positions = {
    tokenIds: new Int32Array(total),
    cfRows: new Int32Array(total).fill(-1),
    textRows: new Int32Array(total).fill(-1),
  };
  const [items, users, titleTokens] = [new Numbering(), new Numbering(), new Numbering()];
  const userPositions: [position: number, row: number][] = [];
  let start = 0;
  for (const prompt of prompts) {
    positions.tokenIds.set(prompt.tokenIds, start);
    prompt.items.forEach((item, i) => {
      if (item === 0) return;
      positions.cfRows[start + i] = items.row(item);
      positions.textRows[start + i] = titleTokens.row(prompt.tokenIds[i]!);
    });
    prompt.users.forEach((user, i) => {
      if (user > 0) userPositions.push([start + i, users.row(user)]);
    });
    start += prompt.tokenIds.length;
  }
  const itemValues = items.values();
  for (const [position, row] of userPositions) positions.cfRows[position] = itemValues.length + row;
  return { lengths, items: itemValues, users: users.values(), titleTokens: titleTokens.values(), positions };
}
