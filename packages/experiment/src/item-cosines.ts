/** Which items are alike, by the cosine of CF vectors. */
import { topPositions } from './live/top';

/** Vectors of the items of one CF model. */
export interface ItemTable {
  /** [rows] dense ids. */
  readonly ids: ArrayLike<number>;
  /** [rows, dim]. */
  readonly vectors: Float32Array;
  /** Columns at the beginning that are not compared: they say how much an item is liked. */
  readonly levelColumns: number;
}

/** Reads all vectors of items. */
export async function readItemTable(
  ids: ArrayLike<number>,
  dim: number,
  levelColumns: number,
  batches: AsyncIterable<{ readonly vectors: Float32Array }>,
): Promise<ItemTable> {
  const vectors = new Float32Array(ids.length * dim);
  let at = 0;
  for await (const batch of batches) {
    vectors.set(batch.vectors, at);
    at += batch.vectors.length;
  }
  return { ids, vectors, levelColumns };
}

/** Items near others, by the mean cosine over one or more models. An item without a vector, or with a zero one, is near none. */
export class ItemCosines {
  readonly #models: readonly Rows[];

  constructor(tables: readonly ItemTable[]) {
    this.#models = tables.map((table) => new Rows(table));
  }

  /** Whether every model has a vector of an item. */
  has(item: number): boolean {
    return this.#models.every((rows) => rows.at.has(item));
  }

  /**
   * The nearest items, best first, without the item itself; ties go to the lower id.
   * @param item dense id, which `has`
   * @returns scores from −1 to 1
   */
  nearest(item: number, top: number): { readonly item: number; readonly score: number }[] {
    const others = [...this.#models[0]!.at.keys()].filter((other) => other !== item && this.has(other));
    const scores = others.map((other) => {
      const sum = this.#models.reduce((total, rows) => total + rows.cosine(item, other), 0);
      return sum / this.#models.length;
    });
    return topPositions(scores, top).map((at) => ({ item: others[at]!, score: scores[at]! }));
  }
}

/** The rows of a table that have a direction. */
class Rows {
  /** Row of each item, by ascending id. */
  readonly at = new Map<number, number>();
  readonly #lengths: Float64Array;
  readonly #dim: number;

  constructor(private readonly table: ItemTable) {
    const { ids, vectors } = table;
    this.#dim = vectors.length / Math.max(1, ids.length);
    this.#lengths = Float64Array.from({ length: ids.length }, (_, row) => Math.sqrt(this.#dot(row, row)));
    for (let row = 0; row < ids.length; row++) if (this.#lengths[row]! > 0) this.at.set(ids[row]!, row);
  }

  cosine(a: number, b: number): number {
    const [rowA, rowB] = [this.at.get(a)!, this.at.get(b)!];
    const cosine = this.#dot(rowA, rowB) / (this.#lengths[rowA]! * this.#lengths[rowB]!);
    return Math.max(-1, Math.min(1, cosine));
  }

  /** In float64. */
  #dot(rowA: number, rowB: number): number {
    const { vectors, levelColumns } = this.table;
    const [atA, atB] = [rowA * this.#dim, rowB * this.#dim];
    let sum = 0;
    for (let column = levelColumns; column < this.#dim; column++)
      sum += vectors[atA + column]! * vectors[atB + column]!;
    return sum;
  }
}
