/** What a terminal would obey does not reach it. */
import { expect, it } from 'vitest';
import { terminalJson, terminalLine, terminalText } from '../src/index';

/** Escape, its one-character form, bell, back to the line's beginning, delete, and a turn of the direction. */
const hostile = ['\u001b[31m', '\u009b2J', '\u0007', '\r', '\u007f', '\u202e', '\u2066', '\0'];

it.each(hostile)('shows %j as U+FFFD, or escapes it in JSON', (text) => {
  const [sign = ''] = text;
  expect(terminalLine(`a${text}b`)).toBe(`a\ufffd${text.slice(1)}b`);
  expect(terminalText(`a${text}b\n\tc`)).toBe(`a\ufffd${text.slice(1)}b\n\tc`);
  const json = terminalJson({ [text]: [text] }, 2);
  expect(json.includes(sign)).toBe(false);
  expect(JSON.parse(json)).toEqual({ [text]: [text] });
});

it('leaves other texts as they are, and lines to texts alone', () => {
  const text = 'Ünïcode 🎬 \u200d \u200f 一\r\nnext\tcolumn';
  expect(terminalText(text)).toBe(text);
  expect(terminalLine('two\nlines\t.')).toBe('two\ufffdlines\ufffd.');
});
