/** Finds titles that were decoded wrongly before they came to us. */

import { windows1252Byte } from './text-encoding';

/** Letters and signs that titles have, in the scripts of the world; others come out of such a reading by accident. */
const usual =
  /^[\u00a0-\u017f\u0370-\u03ff\u0400-\u04ff\u0590-\u06ff\u0900-\u0dff\u0e00-\u0e7f\u1e00-\u1eff\u2010-\u203a\u20ac\u2122\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef\u{1f300}-\u{1faff}]+$/u;

/**
 * Reads a text again that was UTF-8 and was decoded as Latin-1 or windows-1252: `AmÃ©lie` gives `Amélie`.
 *
 * @returns undefined where it was not
 */
export function repairedText(text: string): string | undefined {
  let found = false;
  const repaired = text.replaceAll(/[^\0-\x7f]+/g, (run) => {
    const bytes: number[] = [];
    for (const character of run) {
      const byte = windows1252Byte(character);
      if (byte === undefined) return run;
      bytes.push(byte);
    }
    try {
      const again = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
      if (!usual.test(again)) return run;
      found = true;
      return again;
    } catch {
      return run;
    }
  });
  return found ? repaired : undefined;
}

/**
 * Warnings about titles that hold the signs of a wrong encoding: letters of another one, `\uFFFD`, control characters.
 *
 * @param what one of them is, for messages
 */
export function garbledWarnings(titles: Iterable<string>, what = 'title'): string[] {
  const found = { repaired: 0, lost: 0 };
  let example = '';
  let lostExample = '';
  for (const title of titles) {
    if (/^[\x20-\x7e]*$/.test(title)) continue;
    const repaired = repairedText(title);
    if (repaired !== undefined) {
      if (found.repaired++ === 0) example = `${JSON.stringify(title)} for ${JSON.stringify(repaired)}`;
    } else if (/[\ufffd\x80-\x9f]/.test(title)) {
      if (found.lost++ === 0) lostExample = JSON.stringify(title);
    }
  }
  const warnings: string[] = [];
  if (found.repaired > 0) {
    warnings.push(
      `${found.repaired} ${what}s seem to be UTF-8 that was read in another encoding (${example}); save their file again from its source`,
    );
  }
  if (found.lost > 0) {
    warnings.push(
      `${found.lost} ${what}s hold characters that no ${what} has (${lostExample}); their file was saved in another encoding, or letters were lost`,
    );
  }
  return warnings;
}
