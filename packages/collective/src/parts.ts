/** Parts that lie behind each other in one array of bytes. */
export function partsOf(bytes: Uint8Array, lengths: ArrayLike<number>): Uint8Array[] {
  let begin = 0;
  return Array.from(lengths, (length) => {
    const part = bytes.subarray(begin, begin + length);
    begin += length;
    return part;
  });
}
