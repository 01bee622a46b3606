// Mean and spread over seeds: what is kept of each run, and the tables made of it. Pure.

/**
 * One seed of a config, as `seeds.json` keeps it.
 *
 * @typedef {{ seed: number, commit: string, date: string, adapter: string, seconds: number,
 *   bestEpoch: number | null, metrics: Record<string, any>, ranking: Record<string, any> }} SeedEntry
 *
 * All seeds of a config. `command` has `{seed}` where the seed stands.
 * @typedef {{ name: string, information: string, command: string, wanted: number[], runs: SeedEntry[] }} Seeds
 *
 * What is needed of `@crossgate/eval`: built or from source.
 * @typedef {{ summarizeSeeds(values: number[]): any, formatSeeds(summary: any, digits?: number): string }} Evaluation
 */

/**
 * @param {any} result of a run
 * @param {{ commit: string, date: string }} origin
 * @returns {SeedEntry}
 */
export function entryOf({ seed, adapter, seconds, details, metrics, ranking }, origin) {
  return {
    ...{ seed, ...origin, adapter: adapter ?? 'none needed', seconds, bestEpoch: details?.cf?.bestEpoch ?? null },
    metrics,
    ranking: ranking ?? {},
  };
}

/**
 * The entries of `before` and `now`, by seed. An entry stays as it is while its numbers are those of the run at hand,
 * so that collecting again does not give old runs a new commit.
 *
 * @param {readonly SeedEntry[]} before
 * @param {readonly SeedEntry[]} now
 * @returns {SeedEntry[]}
 */
export function mergeEntries(before, now) {
  const bySeed = new Map(before.map((entry) => [entry.seed, entry]));
  for (const entry of now) {
    const kept = bySeed.get(entry.seed);
    const numbers = (/** @type {SeedEntry} */ { metrics, ranking }) => JSON.stringify([metrics, ranking]);
    if (!kept || numbers(kept) !== numbers(entry)) bySeed.set(entry.seed, entry);
  }
  return [...bySeed.values()].sort((a, b) => a.seed - b.seed);
}

/** An absolute path, or one that leaves the checkout, where a value or a part of one can begin. */
const machinePath = /(?<=^|[=[,\s"'])(?:~|\.\.|[A-Za-z]:)?[\\/](?:[^\\/\s,\]"']*[\\/])*([^\\/\s,\]"']+)[\\/]?/g;

/**
 * The command as it is kept: of paths on this machine, only the last part stays, which is the name of a data set, a run
 * or a file.
 *
 * @param {string} config relative to the checkout, if it lies in there
 * @param {readonly string[]} settings `key=value` each
 */
export function keptCommand(config, settings) {
  const words = settings.flatMap((setting) => ['--set', setting]);
  return ['crossgate train', config, '--seed {seed}', ...words].join(' ').replace(machinePath, '$1');
}

/** @param {readonly number[]} seeds in order, e.g. `1–5` or `1, 3` */
function listed(seeds) {
  const [first = 0] = seeds;
  const whole = seeds.length > 1 && seeds.every((seed, i) => seed === first + i);
  return whole ? `${first}–${first + seeds.length - 1}` : seeds.join(', ');
}

/** @param {readonly string[]} values */
const distinct = (values) => [...new Set(values)].join(', ');

const clickColumns = ['AUC', 'UAUC', 'warm AUC', 'cold AUC'];
const rankingColumns = ['recall', 'precision', 'ndcg', 'mrr', 'map', 'hit'];

/**
 * Markdown tables of mean ± sample standard deviation: click metrics of the configs that have them, ranking metrics
 * likewise, and where the numbers come from.
 *
 * @param {readonly Seeds[]} all
 * @param {Evaluation} evaluation
 * @returns {string}
 */
export function seedTables(all, { summarizeSeeds, formatSeeds }) {
  /** @type {(runs: SeedEntry[], value: (entry: SeedEntry) => number | null | undefined) => string} */
  const mean = (runs, value) => {
    const numbers = runs.map((entry) => value(entry) ?? Number.NaN);
    return numbers.some(Number.isNaN) ? '–' : formatSeeds(summarizeSeeds(numbers));
  };
  const table = (/** @type {string[]} */ header, /** @type {string[][]} */ rows) =>
    rows.length === 0
      ? []
      : [[header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')];
  const seedsOf = (/** @type {Seeds} */ { runs, wanted }) => {
    const seeds = listed(runs.map(({ seed }) => seed));
    return runs.length < wanted.length ? `${seeds} (of ${wanted.length})` : seeds;
  };
  const clicks = all.filter(({ runs }) => runs.some(({ metrics }) => metrics.test.auc !== null));
  const lists = all.filter(({ runs }) => runs.some(({ ranking }) => ranking.test));
  const clickRows = clicks.map((seeds) => {
    const { name, information, runs } = seeds;
    const valid = [mean(runs, (run) => run.metrics.valid?.auc), mean(runs, (run) => run.metrics.valid?.uauc)];
    const test = [
      mean(runs, (run) => run.metrics.test.auc),
      mean(runs, (run) => run.metrics.test.uauc),
      mean(runs, (run) => run.metrics.test.warm?.auc),
      mean(runs, (run) => run.metrics.test.cold?.auc),
    ];
    return [name, information, seedsOf(seeds), valid.join(' / '), ...test];
  });
  const rankingRows = lists.map((seeds) => {
    const values = rankingColumns.map((metric) => mean(seeds.runs, ({ ranking }) => ranking.test?.[metric]));
    return [seeds.name, seedsOf(seeds), String(seeds.runs[0]?.ranking.test?.k), ...values];
  });
  const originRows = all.map(({ name, command, runs }) => [
    name,
    `\`${command}\``,
    distinct(runs.map(({ commit }) => commit.slice(0, 7))),
    distinct(runs.map(({ adapter }) => adapter)),
    runs.map(({ seconds }) => Math.round(seconds)).join(', '),
    runs.map(({ bestEpoch }) => bestEpoch ?? '–').join(', '),
    distinct(runs.map(({ date }) => date)),
  ]);
  return [
    ...table(['run', 'sees', 'seeds', 'valid AUC / UAUC', ...clickColumns.map((name) => `test ${name}`)], clickRows),
    ...table(['run', 'seeds', 'K', ...rankingColumns.map((name) => `test ${name}`)], rankingRows),
    ...table(['run', 'command', 'commit', 'adapter', 'seconds', 'chosen epochs', 'date'], originRows),
  ].join('\n\n');
}

const [start, end] = ['<!-- seeds: made by studies/results/seeds.mjs -->', '<!-- end of seeds -->'];

/**
 * Puts the tables between their two marks in a text, or, where it has none, at its end.
 *
 * @param {string} text
 * @param {string} tables
 */
export function withTables(text, tables) {
  const block = `${start}\n\n${tables}\n\n${end}`;
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  return from < 0 || to < from
    ? `${text.trimEnd()}\n\n${block}\n`
    : text.slice(0, from) + block + text.slice(to + end.length);
}
