/** Asks the person at the terminal. */
import { createInterface } from 'node:readline/promises';
import { terminalText } from '@crossgate/core';
import type { Io } from './io';

/**
 * Asks a question that is answered with y or n.
 * @param question without the question mark's choices
 * @returns the answer, no for anything but y and yes; null where nobody can be asked: standard input or error is no terminal
 */
export async function askYesNo(
  { stdin, stderr, stderrIsTerminal, signal }: Pick<Io, 'stdin' | 'stderr' | 'stderrIsTerminal' | 'signal'>,
  question: string,
): Promise<boolean | null> {
  if (!stderrIsTerminal || (stdin as { isTTY?: boolean }).isTTY !== true) return null;
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  try {
    // At the end of the input nothing is answered, and nothing is what no means.
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const answer = await Promise.race([lines.question(`${terminalText(question)} [y/N] `, { signal }), closed]);
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    lines.close();
  }
}
