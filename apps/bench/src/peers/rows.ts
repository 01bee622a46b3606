/** Rows of an array, one after the other. */
export function rowsOf(
  { shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  rows: readonly number[],
): Float64Array<ArrayBuffer> {
  const length = data.length / shape[0]!;
  const valueAt = (i: number) => data[rows[Math.floor(i / length)]! * length + (i % length)]!;
  return Float64Array.from({ length: rows.length * length }, (_, i) => valueAt(i));
}
