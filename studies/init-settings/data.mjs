// The data sets of the study: folders as `crossgate init` finds them, from MovieLens and from a generated shop.
import { readFile } from 'node:fs/promises';
import { buildCsv, memorySource, RandomStream } from '@crossgate/data';

/** Rows of a shop, `user,item,rating,timestamp`: users and items with three hidden tastes. */
function shopRows(/** @type {number} */ users, /** @type {number} */ items, /** @type {number} */ draws) {
  const random = new RandomStream(1);
  const uniform = () => (random.uint32() + 0.5) / 2 ** 32;
  const vectors = (/** @type {number} */ count) =>
    Array.from({ length: count }, () => [uniform() - 0.5, uniform() - 0.5, uniform() - 0.5, uniform() - 0.5]);
  const [tastes, traits] = [vectors(users), vectors(items)];
  const bought = new Set();
  const rows = [];
  for (let draw = 0; draw < draws; draw++) {
    const [user, item] = [Math.floor(users * uniform()), Math.floor(items * uniform() ** 1.5)];
    if (bought.has(user * items + item)) continue;
    bought.add(user * items + item);
    const [a = 0, b = 0, c = 0] = tastes[user] ?? [];
    const [d = 0, e = 0, f = 0, quality = 0] = traits[item] ?? [];
    const opinion = 3.2 + 6 * (a * d + b * e + c * f) + 1.2 * quality + 1.5 * (uniform() - 0.5);
    rows.push([user, item, Math.max(1, Math.min(5, Math.round(opinion))), 1_700_000_000 + 600 * draw]);
  }
  return rows;
}

/** Rows of the first users of a MovieLens file. */
async function movieRows(/** @type {string} */ path, /** @type {string} */ separator, /** @type {number} */ users) {
  const text = await readFile(`${process.env.CROSSGATE_DATA ?? 'data'}/${path}`, 'latin1');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(separator).map(Number))
    .filter(([user = 0]) => user <= users);
}

/** By name: how the rows are made. */
const sources = /** @type {Record<string, () => Promise<number[][]> | number[][]>} */ ({
  'shop-300': () => shopRows(300, 200, 9000),
  'ml-100': () => movieRows('ml-100k/u.data', '\t', 100),
  'ml-300': () => movieRows('ml-100k/u.data', '\t', 300),
  'ml-943': () => movieRows('ml-100k/u.data', '\t', 943),
  'ml-3000': () => movieRows('ml-1m/ratings.dat', '::', 3000),
});

/** Names of the data sets, by size. */
export const names = Object.keys(sources);

/**
 * @param {string} name of {@link names}
 * @param {'rating' | 'implicit'} kind
 */
export async function open(name, kind) {
  const make = sources[name];
  if (!make) throw new Error(`${name}: there are ${names.join(', ')}`);
  const lines = (await make()).map((row) => row.join(','));
  const text = `user,item,rating,timestamp\n${lines.join('\n')}\n`;
  // Of movies, nearly all rows of the last days are of new users; within each user, both parts are warm.
  const by = name.startsWith('shop') ? /** @type {const} */ ('time') : /** @type {const} */ ('ratio');
  const csv = kind === 'implicit' ? { implicit: true } : {};
  return buildCsv(memorySource({ 'interactions.csv': text }), { split: { by, valid: 0.1, test: 0.1 }, csv });
}
