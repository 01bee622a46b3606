#!/usr/bin/env node
// Kept records by pairs: differences in AUC and UAUC on the same resamples of users. Seconds.
//
//   npm run -s example -- studies/leaderboard/pairs.mjs NAME/NAME…
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { methodsOf, pairedTest } from './page.mjs';

const pairs = process.argv.slice(2).map((pair) => pair.split('/'));
if (pairs.length === 0 || pairs.some((pair) => pair.length !== 2)) {
  console.error('usage: npm run -s example -- studies/leaderboard/pairs.mjs NAME/NAME…');
  process.exit(2);
}

const kept = new URL('../../docs/results/leaderboard/', import.meta.url);
const files = readdirSync(fileURLToPath(kept)).sort();
const methods = new Map(
  methodsOf(files.map((file) => JSON.parse(readFileSync(new URL(file, kept), 'utf8')))).map((each) => [
    each.name,
    each,
  ]),
);

/** @param {string | undefined} name */
function methodOf(name) {
  const method = methods.get(name ?? '');
  if (method) return method;
  console.error(`${name}: no record is kept of it; there are ${[...methods.keys()].join(', ')}`);
  process.exit(2);
}

/** @param {number} value */
const signed = (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4).replace(/^0/, '')}`;

console.log('| a | b | AUC a − b (95 %) | p | UAUC a − b (95 %) | p |\n|---|---|---|---|---|---|');
for (const [a, b] of pairs) {
  const [of, against] = [methodOf(a), methodOf(b)];
  const cells = /** @type {const} */ (['auc', 'uauc']).flatMap((metric) => {
    const { interval, pValue } = pairedTest(of.resampled[metric], against.resampled[metric]);
    const [low, high] = interval.map(signed);
    return [`${signed(of[metric] - against[metric])} (${low} to ${high})`, pValue.toFixed(3).replace(/^0/, '')];
  });
  console.log(`| ${[a, b, ...cells].join(' | ')} |`);
}
