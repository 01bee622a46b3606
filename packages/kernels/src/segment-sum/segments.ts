/** Groups positions by the table row they point at, so that a scatter-add becomes sums over segments. */

import { InputError } from '@crossgate/gpu';

/** Positions sorted by target. Segment s is positions[offsets[s]] … positions[offsets[s + 1] − 1]. */
export interface Segments {
  /** [segments + 1] */
  readonly offsets: Uint32Array<ArrayBuffer>;
  /** [n] positions into the indices, ascending within a segment. */
  readonly positions: Uint32Array<ArrayBuffer>;
  /** [segments] the distinct indices, ascending. */
  readonly targets: Uint32Array<ArrayBuffer>;
}

/**
 * Sorts the positions of `indices` by index, stably.
 *
 * @param indices target row of every position.
 * @param skipNegative leave out negative indices (those of 2³¹ or more in a Uint32Array); without it they are refused.
 * @throws InputError for a negative index that may not be skipped.
 */
export function buildSegments(indices: Uint32Array | Int32Array, skipNegative = false): Segments {
  const kept = new Uint32Array(indices.length);
  let count = 0;
  let largest = -1;
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]! | 0;
    if (index < 0) {
      if (skipNegative) continue;
      throw new InputError(`buildSegments: index ${indices[i]} at position ${i} is negative`);
    }
    kept[count++] = i;
    if (index > largest) largest = index;
  }
  const positions = kept.slice(0, count);
  // A table of counts while it is not much larger than the work, else a comparison sort: few ids may be far apart.
  if (largest < 4 * count + 65_536) countingSort(indices, positions, largest + 1);
  else positions.sort((a, b) => indices[a]! - indices[b]! || a - b);

  const targets = new Uint32Array(count);
  const offsets = new Uint32Array(count + 1);
  let segments = 0;
  for (let i = 0; i < count; i++) {
    const index = indices[positions[i]!]!;
    if (segments === 0 || targets[segments - 1] !== index) {
      offsets[segments] = i;
      targets[segments++] = index;
    }
  }
  offsets[segments] = count;
  return { offsets: offsets.slice(0, segments + 1), positions, targets: targets.slice(0, segments) };
}

/** Sorts `positions` in place by their index, all of them below `bound`; equal ones keep their order. */
function countingSort(indices: Uint32Array | Int32Array, positions: Uint32Array, bound: number): void {
  const starts = new Uint32Array(bound + 1);
  for (const position of positions) starts[indices[position]! + 1]!++;
  for (let i = 0; i < bound; i++) starts[i + 1]! += starts[i]!;
  const source = positions.slice();
  for (const position of source) positions[starts[indices[position]!]!++] = position;
}
