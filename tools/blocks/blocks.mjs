// The code blocks of the documentation, and the commands in them. `node tools/blocks/blocks.mjs` lists those that no
// test runs, with the reason.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPages, root } from '../site/pages.mjs';
import { notRun } from './not-run.mjs';

/**
 * @typedef {object} Block
 * @property {string} file from the root of the checkout
 * @property {number} line of its first line, from 1
 * @property {string} language '' for a drawing or a layout of folders, which is no code
 * @property {string} text
 */

/** All code blocks of the pages. @returns {Block[]} */
export function findBlocks() {
  return [...findPages().keys()].flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```/gm)].map((match) => ({
      file,
      line: text.slice(0, match.index).split('\n').length + 1,
      language: match[1] ?? '',
      text: match[2] ?? '',
    }));
  });
}

/**
 * @typedef {object} CommandLine
 * @property {string} place `file:line`
 * @property {string} shown as the page shows it, without its comment
 * @property {string[]} words the program first: `crossgate`, `crossgate-bench`, or a program of others
 */

/** The ways in which pages start our programs. */
const starts = /** @type {[RegExp, string[]][]} */ ([
  [/^npm run (-s )?crossgate --/, ['crossgate']],
  [/^npm run (-s )?bench --/, ['crossgate-bench']],
  [/^npm run (-s )?demo( --)?/, ['crossgate', 'demo']],
  // Ranks of a training.
  [/^mpirun .*?(?=crossgate )/, []],
]);

/** Words of a line as a shell splits it. @param {string} line @returns {string[]} */
export function wordsOf(line) {
  const words = line.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single));
}

/** The commands of a block for a shell. @param {Block} block @returns {CommandLine[]} */
export function commandsOf({ file, line, text }) {
  /** @type {CommandLine[]} */
  const found = [];
  let first = line;
  for (const [index, part] of text.replace(/\\\n/g, '\\\v').split('\n').entries()) {
    const shown = part
      .replaceAll('\\\v', '')
      .replace(/(^|\s)#\s.*$/, '')
      .trim();
    const place = `${file}:${first}`;
    first =
      line +
      index +
      1 +
      (
        text
          .replace(/\\\n/g, '\\\v')
          .split('\n')
          .slice(0, index + 1)
          .join('')
          .match(/\v/g) ?? []
      ).length;
    if (shown === '') continue;
    for (const one of shown.split(' && ')) {
      const start = starts.find(([pattern]) => pattern.test(one));
      const words = start ? [...start[1], ...wordsOf(one.replace(start[0], ''))] : wordsOf(one);
      found.push({ place, shown: one, words });
    }
  }
  return found;
}

/** Why no test runs a block or a command; undefined for one that is run. @param {string} file @param {string} shown */
export function reasonOf(file, shown) {
  return notRun.find(({ where, what }) => (where === undefined || where === file) && what.test(shown))?.reason;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let run = 0;
  for (const block of findBlocks()) {
    const parts =
      block.language === 'sh'
        ? commandsOf(block).map(({ place, shown }) => ({ place, shown, file: block.file }))
        : [{ place: `${block.file}:${block.line}`, shown: block.text, file: block.file }];
    for (const { place, shown, file } of block.language === '' ? [] : parts) {
      const reason = reasonOf(file, shown);
      if (reason === undefined) run++;
      else process.stdout.write(`${place} ${(shown.split('\n')[0] ?? '').slice(0, 70)}\n    ${reason}\n`);
    }
  }
  process.stdout.write(`${run} blocks and commands are run\n`);
}
