// What can be learned from the rows of the generated world: reference estimators without a language model, beside the
// oracles.
//
//   npm run -s example -- studies/demo-limits/main.mjs
//
// Prints Markdown. Takes about a minute on one core; the same numbers in every run.
import { buildDemo, demoOracles, generateDemoWorld } from '@crossgate/data';
import { auc, uauc } from '@crossgate/eval';
import { scoreByLikedTitles } from './liked-titles.mjs';
import { bestPreferences } from './preferences.mjs';

/** @typedef {'valid' | 'test'} Part */
/** @typedef {{ name: string, knows: string, scores: Record<Part, Float64Array> }} Estimate */

const parts = /** @type {const} */ (['valid', 'test']);
const world = generateDemoWorld();
const dataset = await buildDemo(world);
const oracles = demoOracles(dataset, world);
// A dense id is not an item's number in the world: items are numbered by their first row.
const itemOf = dataset.items.map(({ id }) => world.items[Number(id) - 1]);

/** Meanings of titles by dense item id, two numbers each; 0 is padding. */
const meanings = Float64Array.from(itemOf.flatMap((item) => (item ? [...item.meaning] : [0, 0])));

const short = (/** @type {number} */ value) => value.toFixed(4).replace(/^0/, '');
const percent = (/** @type {number} */ value) => `${Math.round(value * 100)} %`;

/**
 * AUC of the chosen rows.
 *
 * @param {Estimate} estimate
 * @param {Part} part
 * @param {number} [seen] 1 for the rows whose user and item are both in train, 0 for all others
 */
function measure({ scores }, part, seen) {
  const split = dataset.splits[part];
  const rows = [...scores[part].keys()].filter((row) => seen === undefined || split.seen[row] === seen);
  const pick = (/** @type {ArrayLike<number>} */ column) => rows.map((row) => Number(column[row]));
  const [user, label, score] = [pick(split.user), pick(split.label), pick(scores[part])];
  return { auc: auc(label, score) ?? Number.NaN, uauc: uauc({ user, label, score }).uauc ?? Number.NaN };
}

/** @param {Estimate} estimate */
function line(estimate) {
  const cells = [
    measure(estimate, 'valid'),
    measure(estimate, 'test'),
    measure(estimate, 'test', 1),
    measure(estimate, 'test', 0),
  ].map((cell) => `${short(cell.auc)} / ${short(cell.uauc)}`);
  return `| ${[estimate.name, estimate.knows, ...cells].join(' | ')} |`;
}

/** @param {(part: Part) => Float64Array} score @returns {Record<Part, Float64Array>} */
const both = (score) => ({ valid: score('valid'), test: score('test') });

/** @param {string} name @param {'titles' | 'cooccurrence' | 'full'} key @param {string} knows @returns {Estimate} */
const oracle = (name, key, knows) => ({ name, knows, scores: both((part) => oracles[part][key]) });

/** @param {number} count @returns {Estimate} */
const likedTitles = (count) => ({
  name: `liked titles, ${count}`,
  knows: `what titles mean, the last ${count} liked ones`,
  scores: both((part) => scoreByLikedTitles(dataset, meanings, part, count)),
});

/**
 * @param {string} name
 * @param {string} knows
 * @param {Float64Array | null} told
 * @param {number} free
 * @returns {Estimate}
 */
function preferences(name, knows, told, free) {
  const fit = bestPreferences(dataset, { told, free });
  process.stderr.write(`${name}: penalties ${fit.penalties.join(' and ')}, step ${fit.step}\n`);
  return { name, knows, scores: both((part) => fit.score(part)) };
}

const full = oracle('oracle: full', 'full', 'everything but the draw');
const ids = preferences('ids', 'train labels', null, 4);
const ten = likedTitles(10);
const joint = preferences('ids and titles', 'train labels, what titles mean', meanings, 2);

const columns = ['AUC / UAUC', 'knows', ...parts, 'test, warm', 'test, cold'];
const lines = [
  `| ${columns.join(' | ')} |`,
  `|${columns.map(() => '---|').join('')}`,
  ...[
    oracle('oracle: titles', 'titles', "titles, users' tastes"),
    oracle('oracle: co-occurrence', 'cooccurrence', 'circles, hidden tastes, biases'),
    full,
    ids,
    ten,
    likedTitles(20),
    joint,
  ].map(line),
  '',
  '| gap on test, AUC | from | to | half of it | ids and titles | closes |',
  '|---|---|---|---|---|---|',
];
const [top, reached] = [measure(full, 'test').auc, measure(joint, 'test').auc];
for (const parent of [ids, ten]) {
  const from = measure(parent, 'test').auc;
  const figures = [from, top, (from + top) / 2, reached].map(short);
  lines.push(`| ${[`${parent.name} to full`, ...figures, percent((reached - from) / (top - from))].join(' | ')} |`);
}
process.stdout.write(`${lines.join('\n')}\n`);
