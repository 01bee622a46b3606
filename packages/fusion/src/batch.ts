// Prompts packed into one batch: which token, which CF row, which gate row and which learned row each position has.
import type { PackedBatch } from '@crossgate/llm';
import { type DeviceIndices, type FusionPositions, noRow, type Tensor } from '@crossgate/tensor';
import type { HybridPrompt } from './prompt';
import { type Kind, kinds } from './template';

/** What the kernels of a training step read of a batch. */
export interface UploadedBatch {
  /** The layout of the sequences. */
  readonly packed: PackedBatch;
  /** u32 [tokens] token ids; `noRow` where a vector stands alone. */
  readonly tokens: DeviceIndices;
  /** Rows at each position: of the table that `HybridModel.embed` reads, of CF vectors and of the gate's text part. */
  readonly positions: FusionPositions<DeviceIndices>;
  /** i32 [tokens]: `HybridBatch.learnedRows`. */
  readonly learnedRows: DeviceIndices;
  /** i32 [tokens] of −1. */
  readonly none: DeviceIndices;
  /** Dense ids of items; absent where there are none. */
  readonly items?: DeviceIndices;
  /** Dense ids of users; absent where there are none. */
  readonly users?: DeviceIndices;
  /** Distinct tokens of fused titles; absent where there are none. */
  readonly titleTokens?: DeviceIndices;
  /** f32 [items + users, width]: 0 in rows that dropout replaces by zero, else 1; for each width of CF vectors. */
  readonly kept: ReadonlyMap<number, Tensor>;
  /** [prompts] the last token of each prompt. */
  readonly answers: DeviceIndices;
  /** f32 [prompts] */
  readonly labels: Tensor;
}

/**
 * A packed batch of hybrid prompts on the host. Prompts follow each other; padding, if there is any, is behind them.
 */
export interface HybridBatch {
  /** Number of tokens of each prompt, at least 1, and of the sequence that is padding, if there is one. */
  readonly lengths: readonly number[];
  /** Kinds of entities that occur in the batch. */
  readonly kinds: ReadonlySet<Kind>;
  /**
   * Dense ids of the distinct items that occur with a vector: their CF vectors are computed once and are the first CF
   * rows.
   */
  readonly items: Uint32Array;
  /**
   * Dense ids of the users that occur: their CF rows follow those of the items. A user is listed once, or once per
   * prompt where prompts have histories of their own.
   */
  readonly users: Uint32Array;
  /** Number of those items and users that prompts name; the others behind them are padding. */
  readonly named: { readonly items: number; readonly users: number };
  /** [users] the history that each user's vector is computed from; absent where the CF model knows users by id. */
  readonly histories?: readonly Int32Array[];
  /** Distinct tokens of fused titles: the rows of the gate's text part. `noRow` in padding. */
  readonly titleTokens: Uint32Array;
  /**
   * Rows that the fusion kernel reads at each position: token id, CF row (items first, then users) and gate text row;
   * −1 for none.
   */
  readonly positions: FusionPositions<Int32Array>;
  /** [tokens] row of the learned vectors at each position, from 0; −1 elsewhere. */
  readonly learnedRows: Int32Array;
  /** The same on the device, for a step that is captured; absent where each step uploads what it needs. */
  readonly uploaded?: UploadedBatch;
}

/** Multiples that numbers of a batch are raised to, so that many batches have the same shape. */
export interface BatchPadding {
  /** Of tokens: one more sequence, of positions without a token, fills them up. No loss depends on it. */
  readonly tokens: number;
  /** Of items; the padding, whose vector is zero, fills them up. */
  readonly items: number;
  /** Of tokens of fused titles; {@link noRow}, which gives a zero row, fills them up. */
  readonly titleTokens: number;
}

const raised = (count: number, multiple: number) => Math.ceil(count / multiple) * multiple;

/** @param filler id of a zero row; 0 is that of padding in CF tables */
function filledUp(
  values: Uint32Array<ArrayBuffer>,
  multiple: number | undefined,
  filler = 0,
): Uint32Array<ArrayBuffer> {
  if (multiple === undefined) return values;
  const filled = new Uint32Array(raised(values.length, multiple)).fill(filler);
  filled.set(values);
  return filled;
}

/** Numbers distinct values from 0, in the order of their first appearance. */
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

  values(): Uint32Array<ArrayBuffer> {
    return Uint32Array.from(this.#rows.keys());
  }
}

const kindNames = Object.keys(kinds) as Kind[];

/**
 * Packs prompts into one batch, in their order.
 *
 * @param padding fills it up to a shape that others have too; users are then as many as prompts, if there are any. Only for
 * prompts without `userHistory`.
 */
export function packPrompts(prompts: readonly HybridPrompt[], padding?: BatchPadding): HybridBatch {
  const lengths = prompts.map(({ tokenIds }) => tokenIds.length);
  const own = lengths.reduce((sum, length) => sum + length, 0);
  const total = padding ? raised(own + 1, padding.tokens) : own;
  if (total > own) lengths.push(total - own);
  const positions = {
    // No token, hence a zero row. That of a token may hold values that overflow halves in some model, and zero times
    // infinity in the backward pass would be NaN. A zero row is finite throughout: its norm has an epsilon.
    tokenIds: new Int32Array(total).fill(-1, own),
    cfRows: new Int32Array(total).fill(-1),
    textRows: new Int32Array(total).fill(-1),
  };
  const learnedRows = new Int32Array(total).fill(-1);
  const found = new Set<Kind>();
  const [items, titleTokens] = [new Numbering(), new Numbering()];
  const [users, histories]: [number[], Int32Array[]] = [[], []];
  const sharedUsers = new Map<number, number>();
  const userPositions: [position: number, row: number][] = [];
  let start = 0;
  for (const prompt of prompts) {
    positions.tokenIds.set(prompt.tokenIds, start);
    const { userHistory } = prompt;
    // The same user has a different history, hence a different vector, in every prompt.
    const known = userHistory ? new Map<number, number>() : sharedUsers;
    for (const [i, number] of prompt.kinds.entries()) {
      if (number === kinds.text) continue;
      const entity = prompt.entities[i]!;
      found.add(kindNames[number]!);
      if (number === kinds.title || number === kinds.item) positions.cfRows[start + i] = items.row(entity);
      if (number === kinds.title) positions.textRows[start + i] = titleTokens.row(prompt.tokenIds[i]!);
      if (number === kinds.learned) learnedRows[start + i] = entity - 1;
      if (number !== kinds.user) continue;
      let row = known.get(entity);
      if (row === undefined) {
        row = users.push(entity) - 1;
        if (userHistory) histories.push(userHistory);
        known.set(entity, row);
      }
      userPositions.push([start + i, row]);
    }
    start += prompt.tokenIds.length;
  }
  const itemIds = items.values();
  const itemValues = filledUp(itemIds, padding?.items);
  for (const [position, row] of userPositions) positions.cfRows[position] = itemValues.length + row;
  return {
    lengths,
    kinds: found,
    items: itemValues,
    users: filledUp(Uint32Array.from(users), padding && prompts.length),
    named: { items: itemIds.length, users: users.length },
    ...(histories.length > 0 && { histories }),
    titleTokens: filledUp(titleTokens.values(), padding?.titleTokens, noRow),
    positions,
    learnedRows,
  };
}
