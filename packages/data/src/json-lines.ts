/** Files with one JSON object a line, as streams. */
import { InputError } from '@crossgate/core';
import type { Place } from './source';

/** No line of a known source comes near it: a longer one is not a file of lines. */
const longestLine = 1 << 24;

/**
 * Reads JSON lines in UTF-8 and calls `visit` for each object. Blank lines, CRLF and a byte order mark are accepted.
 *
 * @returns the number of objects
 * @throws InputError naming file and line for what is no JSON object, and the file when it has none or is not UTF-8
 */
export async function readJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
  visit: (value: Readonly<Record<string, unknown>>, place: Place) => void,
): Promise<number> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 0;
  let objects = 0;
  const place: Place = () => `${file}:${line}`;
  const take = (text: string): void => {
    line++;
    if (text.trim() === '') return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new InputError('is not valid JSON; the file is damaged or cut short', {
        code: 'data.source',
        place: place(),
      });
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new InputError('is not a JSON object', { code: 'data.source', place: place() });
    }
    objects++;
    visit(value as Record<string, unknown>, place);
  };
  let rest = '';
  const feed = (text: string): void => {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      take(rest + text.slice(start, end));
      rest = '';
      start = end + 1;
    }
    rest += text.slice(start);
    if (rest.length > longestLine)
      throw new InputError(`a line is longer than ${longestLine}`, {
        code: 'data.source',
        place: `${file}:${line + 1}`,
      });
  };
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch {
      throw new InputError('not valid UTF-8', { code: 'data.source', place: file });
    }
  };
  for await (const bytes of chunks) feed(decode(bytes));
  feed(decode());
  if (rest !== '') take(rest);
  if (objects === 0) throw new InputError('the file is empty', { code: 'data.source', place: file });
  return objects;
}
