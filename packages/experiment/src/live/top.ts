/** The best of many scores, without sorting them all. */

/**
 * Positions of the highest values, highest first; ties go to the lower position.
 * @param values none of them NaN
 * @param count the most positions to give
 */
export function topPositions(values: ArrayLike<number>, count: number): number[] {
  // A heap with the worst of the best on top.
  const heap: number[] = [];
  const isWorse = (a: number, b: number) => values[a]! < values[b]! || (values[a]! === values[b]! && a > b);
  const swap = (a: number, b: number) => {
    [heap[a], heap[b]] = [heap[b]!, heap[a]!];
  };
  const sink = () => {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && isWorse(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && isWorse(heap[right]!, heap[least]!)) least = right;
      if (least === at) return;
      swap(at, least);
      at = least;
    }
  };
  for (let position = 0; position < values.length; position++) {
    if (heap.length < count) {
      let at = heap.push(position) - 1;
      for (let parent = (at - 1) >> 1; at > 0 && isWorse(heap[at]!, heap[parent]!); parent = (at - 1) >> 1) {
        swap(at, parent);
        at = parent;
      }
    } else if (count > 0 && isWorse(heap[0]!, position)) {
      heap[0] = position;
      sink();
    }
  }
  return heap.sort((a, b) => values[b]! - values[a]! || a - b);
}
