// How much of an AUC is the level of cold rows? Half of the pairs of MovieLens-1M's test rows are of one warm and one cold
// row. For finished runs: the AUC within warm rows, within cold rows, and between the two, and the AUC with the best
// shift of all cold rows by one number. That shift is chosen on the test rows themselves: it is a diagnosis, no result.
// Seconds.
//
//   npm run -s example -- studies/cold-level/main.mjs RUN…
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { auc, renderTable } from '@crossgate/eval';

const runs = process.argv.slice(2);
if (runs.length === 0) {
  process.stderr.write('usage: main.mjs RUN… (see the head of the file)\n');
  process.exit(2);
}

/** @typedef {{ seen: boolean, label: 0 | 1, logit: number }} Row */

/**
 * The scored test rows of a run.
 * @param {string} run
 * @returns {Row[]}
 */
function rowsOf(run) {
  const [head = '', ...lines] = readFileSync(join(run, 'predictions', 'test.csv'), 'utf8')
    .trim()
    .split('\n');
  const names = head.split(',');
  const [seen, label, logit] = ['seen', 'label', 'logit'].map((name) => names.indexOf(name));
  return lines.map((line) => {
    const cells = line.split(',');
    return {
      seen: cells[/** @type {number} */ (seen)] === '1',
      label: cells[/** @type {number} */ (label)] === '1' ? 1 : 0,
      logit: Number(cells[/** @type {number} */ (logit)]),
    };
  });
}

/** Needs both labels. @param {readonly Row[]} rows @param {number} [shift] added to the logits of cold rows */
function aucOf(rows, shift = 0) {
  const label = Uint8Array.from(rows, (row) => row.label);
  const value = auc(
    label,
    Float64Array.from(rows, (row) => row.logit + (row.seen ? 0 : shift)),
  );
  if (value === null) throw new Error('rows of one label alone have no AUC');
  return value;
}

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * What is shown of a run.
 * @param {string} run
 */
function study(run) {
  const rows = rowsOf(run);
  const [warm, cold] = [rows.filter(({ seen }) => seen), rows.filter(({ seen }) => !seen)];
  const pick = (/** @type {Row[]} */ part, /** @type {0 | 1} */ label) => part.filter((row) => row.label === label);
  const between = [
    [...pick(warm, 1), ...pick(cold, 0)],
    [...pick(cold, 1), ...pick(warm, 0)],
  ];
  const pairs = between.map((part) => pick(part, 1).length * pick(part, 0).length);
  const [above, below] = /** @type {[number, number]} */ (between.map((part) => aucOf(part)));
  const [p, q] = /** @type {[number, number]} */ (pairs);
  const logits = rows.map(({ logit }) => logit);
  const center = mean(logits);
  const deviation = Math.sqrt(mean(logits.map((logit) => (logit - center) ** 2)));
  let best = { auc: aucOf(rows), shift: 0 };
  for (let step = -40; step <= 40; step++) {
    const shifted = aucOf(rows, (step / 10) * deviation);
    if (shifted > best.auc) best = { auc: shifted, shift: step / 10 };
  }
  const level = (/** @type {Row[]} */ part) => mean(part.map(({ logit }) => logit));
  return {
    ...{ name: basename(run), all: aucOf(rows), warm: aucOf(warm), cold: aucOf(cold), above, below },
    between: (above * p + below * q) / (p + q),
    share: (p + q) / (pick(rows, 1).length * pick(rows, 0).length),
    ...{ level: (level(cold) - level(warm)) / deviation, shifted: best.auc, shift: best.shift },
  };
}

const found = runs.map(study);
const number = (/** @type {number} */ value) => value.toFixed(4);
process.stdout.write(
  `${renderTable(
    [
      { header: 'run' },
      ...['AUC', 'warm', 'cold', 'between', 'warm liked', 'cold liked', 'cold − warm', 'best shift', 'AUC with it'].map(
        (header) => /** @type {const} */ ({ header, align: 'right' }),
      ),
    ],
    found.map((one) => [
      one.name,
      ...[one.all, one.warm, one.cold, one.between, one.above, one.below].map(number),
      `${one.level.toFixed(2)} sd`,
      `${one.shift.toFixed(1)} sd`,
      number(one.shifted),
    ]),
    'markdown',
  )}\n`,
);
process.stdout.write(
  `\n${(100 * (found[0]?.share ?? 0)).toFixed(0)} % of the pairs of a liked and a disliked row are between a warm and a cold row. ` +
    'warm liked: the warm row of the pair is the liked one. sd: standard deviation of all logits of the run.\n',
);
