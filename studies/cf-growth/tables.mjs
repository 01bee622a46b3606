// The tables that docs show of what was measured, letter by letter.
import { bytesOf, secondsOf } from './growth.mjs';

/** @typedef {Readonly<Record<string, import('./growth.mjs').Fit>>} Fits by the name of the model */

const table = (/** @type {readonly string[]} */ header, /** @type {readonly (readonly string[])[]} */ rows) =>
  [header, header.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('')
    .replaceAll('| --- ', '|---')
    .replaceAll('--- |', '---|');

/** A number of two digits with the largest of the units that it fills. */
function inUnits(/** @type {number} */ value, /** @type {readonly (readonly [string, number])[]} */ units) {
  const [name, size] = units.findLast((unit) => value >= 0.995 * unit[1]) ?? /** @type {const} */ (['?', 1]);
  return `${Number((value / size).toPrecision(2))} ${name}`;
}

const byUsers = (
  /** @type {Fits} */ fits,
  /** @type {(fit: import('./growth.mjs').Fit, size: import('./growth.mjs').Size) => string} */ cell,
) =>
  table(
    ['model', 'width', '10⁶ users', '10⁷ users', '10⁸ users', '10⁹ users'],
    Object.entries(fits).flatMap(([model, fit]) =>
      [64, 256].map((width) => {
        const cells = [1e6, 1e7, 1e8, 1e9].map((users) => cell(fit, { users, items: 1e7, width, rows: 0 }));
        return [`\`${model}\``, String(width), ...cells];
      }),
    ),
  );

/** Memory of a training with ten million items, without its rows. */
export const memoryTable = (/** @type {Fits} */ fits) =>
  byUsers(fits, (fit, size) =>
    inUnits(bytesOf(fit, size), [
      ['GB', 1e9],
      ['TB', 1e12],
      ['PB', 1e15],
    ]),
  );

/** Time of a step of 2,048 rows with ten million items, without what the graph's rows add. */
export const timeTable = (/** @type {Fits} */ fits) =>
  byUsers(fits, (fit, size) =>
    inUnits(secondsOf(fit, size), [
      ['ms', 1e-3],
      ['s', 1],
      ['min', 60],
      ['h', 3600],
    ]),
  );

/** What one value of a table costs, and how far the sums are from what was measured. */
export const partsTable = (/** @type {Fits} */ fits) => {
  const two = (/** @type {number | undefined} */ value) => String(Number((value ?? 0).toPrecision(2)));
  return table(
    [
      ...['model', 'bytes a value of a user', 'of an item', 'ns a step and value of a user', 'of an item'],
      ...['worst error of bytes', 'of time'],
    ],
    Object.entries(fits).map(([model, { bytes, secondsPerStep: time }]) => [
      model,
      ...[bytes.userValue, bytes.itemValue].map(two),
      ...[time.userValue, time.itemValue].map((value) => two(1e9 * (value ?? 0))),
      // What is left of an exact sum is rounding.
      ...[bytes.error, time.error].map((error) => `${two(error < 1e-6 ? 0 : 100 * error)} %`),
    ]),
  );
};
