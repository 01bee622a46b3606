/** Texts of strangers, such as titles, ids and what a model says, on a terminal that would obey their control characters. */

/** Signs that turn the direction of what follows them. */
const turns = '\\u202a-\\u202e\\u2066-\\u2069';
const controls = new RegExp(`[\\p{Cc}${turns}]`, 'gu');
const controlsBesideLines = new RegExp(`(?![\\t\\n]|\\r\\n)[\\p{Cc}${turns}]`, 'gu');
const controlsInJson = new RegExp(`[\\u007f-\\u009f${turns}]`, 'gu');

/** One line: every control character, line ends and tabs too, becomes U+FFFD. */
export function terminalLine(text: string): string {
  return text.replace(controls, '\ufffd');
}

/** A text of any number of lines: control characters other than line ends and tabs become U+FFFD. */
export function terminalText(text: string): string {
  return text.replace(controlsBesideLines, '\ufffd');
}

/** JSON in which control characters are escaped also where the standard lets them stand. It is read to the same value. */
export function terminalJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    controlsInJson,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
