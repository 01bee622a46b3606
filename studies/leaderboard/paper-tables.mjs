// Tables of the paper on MovieLens-1M with stories260K, and of the page on fusion, from kept records alone. Pure.
import { meanBootstrap, relativeImprovement, renderTable, summarizeSeeds } from '@crossgate/eval';
import { paperExperiments, rowsOf, testControls, trainedRowsOf } from '@crossgate/experiment';
import { formatPaperTable, paperTables } from '@crossgate/report';
import { pairedTest } from './page.mjs';

/** @typedef {import('./record.mjs').LeaderboardRecord} LeaderboardRecord */
/** @typedef {import('@crossgate/experiment').ReproducedRow} ReproducedRow */
/** @typedef {import('@crossgate/experiment').Reproduction} Reproduction */

/** Rows of MovieLens-1M that there are to train on. */
const TRAIN_ROWS = 33_891;

/**
 * A record on resamples of users.
 *
 * @param {LeaderboardRecord} record
 * @returns {import('@crossgate/experiment').Resampled}
 */
function resampledOf({ rows, metrics, bootstrap }) {
  const over = (/** @type {'auc' | 'uauc'} */ metric) =>
    meanBootstrap([
      { estimate: metrics.test[metric], replicates: bootstrap[metric].split(' ').map((value) => Number(value) / 1e5) },
    ]);
  return { rowsHash: rows, auc: over('auc'), uauc: over('uauc') };
}

/**
 * What `crossgate reproduce --profile small` has made of an experiment: its record of seed 1.
 *
 * @param {ReadonlyMap<string, LeaderboardRecord>} records by name and seed: `mf-1`
 * @param {string} key
 */
const recordOf = (records, key) => records.get(`${key}-stories260k-1`) ?? records.get(`${key}-1`);

/**
 * The tables of the paper as far as there are records, as `crossgate reproduce` gives them.
 *
 * @param {ReadonlyMap<string, LeaderboardRecord>} records
 * @returns {Reproduction}
 */
export function smallReproduction(records) {
  const rows = rowsOf(['table2', 'table3', 'table4', 'figure3']).flatMap((row) => {
    const record = recordOf(records, row.experiment);
    if (record === undefined) return [];
    const { metrics, config, information, seed, seconds } = record;
    const { test } = metrics;
    const base = row.base === undefined ? undefined : recordOf(records, row.base);
    const published = row.published['ml-1m'] ?? null;
    const resampled = resampledOf(record);
    return {
      ...{ id: row.id, part: row.part, group: row.group, dataset: 'ml-1m', publishedOn: 'ml-1m', published },
      label: paperExperiments.find(({ key }) => key === row.experiment)?.label ?? '',
      ...{ status: 'done', reason: null, information, seeds: [seed], seconds, runs: [], base: row.base ?? null },
      trainedRows: trainedRowsOf(/** @type {any} */ (config), TRAIN_ROWS),
      trainRows: TRAIN_ROWS,
      ...{ auc: summarizeSeeds([test.auc]), auc95: resampled.auc.interval },
      ...{ uauc: summarizeSeeds([test.uauc]), uauc95: resampled.uauc.interval },
      ...{ warmAuc: summarizeSeeds([test.warm.auc]), coldAuc: summarizeSeeds([test.cold.auc]) },
      relativeImprovement: base === undefined ? null : relativeImprovement(test.auc, base.metrics.test.auc),
      difference: published === null ? null : test.auc - published,
    };
  });
  const claim = testControls('ml-1m', (key) => {
    const record = recordOf(records, key);
    return record === undefined ? null : resampledOf(record);
  });
  return {
    ...{ profile: 'small', model: 'stories260K', adapter: recordOf(records, 'ccf-lightgcn')?.adapter ?? null, out: '' },
    ...{ statistics: [], rows: /** @type {ReproducedRow[]} */ (rows), cases: [], maps: [] },
    claims: claim === null ? [] : [claim],
  };
}

/** The tables as a page shows them. @param {Reproduction} reproduction */
export const smallTables = (reproduction) =>
  paperTables(reproduction)
    .map((table) => formatPaperTable(table, 'markdown'))
    .join('\n\n');

const fused = 'CCF-LLM (LightGCN)';
/**
 * Rows of the page on fusion, with their records. ¹ ² ³: of other commits, as the page says.
 * @type {readonly (readonly [label: string, record: string])[]}
 */
export const fusionMethods = [
  ['zero-shot', 'zero-shot'],
  ['zero-shot, MF’s top 10 in words', 'zero-shot-cf'],
  ['instruct-tuned', 'instruct'],
  ['instruct-tuned, MF’s top 10 in words', 'instruct-cf'],
  ['Softprompt', 'softprompt'],
  ['TALLRec', 'tallrec'],
  ['TALLRec, as many steps as two stages ³', 'tallrec-twice'],
  ['LightGCN', 'lightgcn'],
  ['SASRec ¹', 'sasrec'],
  ['MF', 'mf'],
  [`${fused}, items permuted at evaluation alone`, 'ccf-lightgcn-permuted-at-evaluation'],
  [`${fused}, random vectors ¹`, 'ccf-lightgcn-random-vectors'],
  [`${fused}, stage 1 alone`, 'ccf-lightgcn-stage-1'],
  [`${fused}, items permuted`, 'ccf-lightgcn-permuted-items'],
  ['CCF-LLM (SASRec) ¹', 'ccf-sasrec'],
  [fused, 'ccf-lightgcn'],
  [`${fused}, α ∈ R`, 'ccf-lightgcn-alpha-r'],
  ['CCF-LLM (LightGCN and SASRec) ²', 'ccf-lightgcn-sasrec'],
  [`${fused}, end to end`, 'ccf-lightgcn-end-to-end'],
  [`${fused}, \`cfDropout\` .2`, 'ccf-lightgcn-cf-dropout'],
  ['CCF-LLM (MF and SASRec) ²', 'ccf-mf-sasrec'],
  [`${fused}, α = 1`, 'ccf-lightgcn-alpha-1'],
  [`${fused}, users permuted ¹`, 'ccf-lightgcn-permuted-users'],
  ['CoLLM (MF)', 'collm-mf'],
  ['CCF-LLM (MF)', 'ccf-mf'],
  ['CCF-LLM (LightGCN and MF) ¹', 'ccf-lightgcn-mf'],
  ['`item-mean`, no learning', 'item-mean'],
  ['`mean`, no learning', 'mean'],
  ['`running-mean`, no learning', 'running-mean'],
  ['CCF-LLM (asymmetric SVD)', 'ccf-asvd'],
  ['asymmetric SVD', 'asvd'],
];

/** Pairs of the page on fusion: of records, the second is subtracted. */
export const fusionPairs = [
  ...[
    ...['tallrec', 'tallrec-twice', 'lightgcn', 'ccf-lightgcn-permuted-items', 'ccf-lightgcn-permuted-users'],
    ...['ccf-lightgcn-random-vectors', 'ccf-lightgcn-permuted-at-evaluation', 'ccf-lightgcn-stage-1'],
    ...['ccf-lightgcn-end-to-end', 'ccf-lightgcn-alpha-1', 'ccf-lightgcn-alpha-r'],
  ].map((other) => ['ccf-lightgcn', other]),
  ['ccf-lightgcn-cf-dropout', 'ccf-lightgcn'],
  ['ccf-lightgcn-mf', 'ccf-lightgcn'],
  ['ccf-lightgcn-mf', 'ccf-mf'],
  ['ccf-lightgcn-mf', 'mean'],
  ['ccf-lightgcn-sasrec', 'sasrec'],
  ['ccf-lightgcn-sasrec', 'ccf-sasrec'],
  ['ccf-lightgcn-sasrec', 'ccf-lightgcn'],
  ['ccf-mf-sasrec', 'sasrec'],
  ['ccf-mf-sasrec', 'ccf-sasrec'],
  ['ccf-mf-sasrec', 'ccf-mf'],
  ['ccf-mf-sasrec', 'ccf-lightgcn-sasrec'],
  ['sasrec', 'ccf-sasrec'],
  ['ccf-mf', 'mf'],
  ['ccf-mf', 'collm-mf'],
  ['ccf-mf', 'mean'],
  ['collm-mf', 'mf'],
  ['collm-mf', 'mean'],
  ['asvd', 'ccf-asvd'],
  ['asvd', 'mean'],
  ['ccf-asvd', 'mean'],
  ['zero-shot-cf', 'zero-shot'],
  ['instruct-cf', 'instruct'],
];

/** @param {number} value */
const decimals = (value, digits = 4) => value.toFixed(digits).replace(/^0/, '');
/** @param {number} value */
const signed = (value) => `${value < 0 ? '−' : '+'}${decimals(Math.abs(value))}`;

/** @param {ReadonlyMap<string, LeaderboardRecord>} records @param {string} key */
function keptOf(records, key) {
  const record = recordOf(records, key);
  if (record === undefined) throw new Error(`${key}: no record is kept of it`);
  return record;
}

/** The rows of the page on fusion. @param {ReadonlyMap<string, LeaderboardRecord>} records */
export function fusionRows(records) {
  const header = ['method', 'sees', 'test AUC (95 %)', 'UAUC (95 %)', 'warm AUC / UAUC', 'cold AUC / UAUC'];
  const rows = fusionMethods.map(([label, key]) => {
    const record = keptOf(records, key);
    const { test } = record.metrics;
    const resampled = resampledOf(record);
    const over = (/** @type {'auc' | 'uauc'} */ metric) => {
      const [low = 0, high = 0] = resampled[metric].interval ?? [];
      return `${decimals(test[metric])} (${decimals(low, 3)}–${decimals(high, 3)})`;
    };
    const part = (/** @type {any} */ { auc, uauc }) => `${decimals(auc)} / ${decimals(uauc)}`;
    return [label, record.information, over('auc'), over('uauc'), part(test.warm), part(test.cold)];
  });
  return renderTable(header, rows, 'markdown');
}

/** The pairs of the page on fusion. @param {ReadonlyMap<string, LeaderboardRecord>} records */
export function fusionTests(records) {
  const names = new Map(
    fusionMethods.map(([label, key]) => [key, label.replace(/ [¹²³]$/, '').replace(', no learning', '')]),
  );
  const rows = fusionPairs.map(([a = '', b = '']) => {
    const [of, against] = [keptOf(records, a), keptOf(records, b)];
    const cells = /** @type {const} */ (['auc', 'uauc']).flatMap((metric) => {
      const test = pairedTest(resampledOf(of)[metric], resampledOf(against)[metric]);
      const [low, high] = test.interval.map(signed);
      const difference = signed(of.metrics.test[metric] - against.metrics.test[metric]);
      return [`${difference} (${low} to ${high})`, decimals(test.pValue, 3)];
    });
    return [names.get(a) ?? a, names.get(b) ?? b, ...cells];
  });
  return renderTable(['a', 'b', 'AUC a − b (95 %)', 'p', 'UAUC a − b (95 %)', 'p'], rows, 'markdown');
}

/**
 * A page with its made parts anew. A part lies between `<!-- NAME: made by … -->` and `<!-- /NAME -->`.
 *
 * @param {string} page
 * @param {Readonly<Record<string, string>>} parts by name
 */
export function withParts(page, parts) {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const [, before, , after] =
      text.match(new RegExp(`^([^]*<!-- ${name}: [^\\n]* -->\\n)([^]*)(<!-- /${name} -->[^]*)$`)) ?? [];
    if (before === undefined || after === undefined) throw new Error(`the page has no part ${name}`);
    return `${before}\n${part.trim()}\n\n${after}`;
  }, page);
}
