/** SHA-256 where no program is at hand: by the Web Crypto of Node and of pages that came over a secure connection. */

/**
 * SHA-256 of bytes, or of pieces one after another, which are all held until then.
 *
 * @returns 64 hexadecimal digits
 */
export async function sha256(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> {
  const digest = await crypto.subtle.digest(
    'SHA-256',
    content instanceof Uint8Array ? owned(content) : await joined(content),
  );
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Web Crypto takes no memory that threads share. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const held: Uint8Array[] = [];
  for await (const piece of pieces) held.push(piece.slice());
  const bytes = new Uint8Array(held.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const piece of held) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}
