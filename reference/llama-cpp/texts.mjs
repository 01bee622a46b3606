// What both programs are given: texts whose every position is compared, and strings that are only tokenized.

/** Written for this purpose. */
export const texts = [
  'The capital of France is Paris, and the capital of Italy is Rome. Both cities lie on a river.',
  'Once upon a time, there was a little girl who lived near a forest. One day she found a small door in a tree.',
  'def add(a, b):\n    """Adds two numbers."""\n    return a + b\n\n\nprint(add(2, 40))\n',
  'A user has given high ratings to the following movies: "The Long River (1994)", "Two Suns (1988)". Would the user enjoy "Night Train"? Answer with "Yes" or "No".',
  'Water boils at 100 degrees Celsius at sea level; at 2,500 metres it boils at about 92 degrees.',
  'In 1969, 3 astronauts flew to the moon. It took them 4 days to get there, and 8 days in all.',
];

const words = [
  'Once',
  ' upon',
  ' a',
  ' time',
  "don't",
  "I'LL",
  ' the',
  'Yes',
  ' No',
  '#Answer:',
  ' (1999)',
  '"Heat"',
  'movie',
  ' 1,234.50',
];
const odd = [
  'é',
  'e\u0301',
  'ß',
  '日本語',
  'Привет',
  'שלום',
  '😀',
  '👩‍👩‍👧',
  '🇩🇪',
  '\u00a0',
  '\u200b',
  '\t',
  '\n',
  '\n\n',
  '\r\n',
  '   ',
  ' ',
  '»',
  '…',
  '12345',
  '٣',
  '\u0000',
];

/** Strings of words, scripts, emoji, spaces and numbers, the same every time. */
export function strings(count) {
  let state = 7;
  const random = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random(12) }, () =>
      random(3) ? words[random(words.length)] : odd[random(odd.length)],
    ).join(''),
  );
}
