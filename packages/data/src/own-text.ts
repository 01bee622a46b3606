/** A copy that does not keep the chunk of the file alive that the text was cut from. */
export function ownText(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}
