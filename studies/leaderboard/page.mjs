// The leaderboard as a page, from kept records alone. Pure.
import { meanBootstrap, pairedBootstrapTest } from '@crossgate/eval';

/** @typedef {import('./record.mjs').LeaderboardRecord} LeaderboardRecord */
/**
 * A number from a publication.
 * @typedef {{ method: string, sees: string, auc: number, uauc: number | null, source: string, note: string }} Published
 */
/**
 * A method: the runs of one config with different seeds. Resamples are means over the seeds.
 * @typedef {import('@crossgate/eval').BootstrapResult} BootstrapResult
 * @typedef {{ name: string, runs: LeaderboardRecord[], auc: number, uauc: number,
 *   resampled: { auc: BootstrapResult, uauc: BootstrapResult } }} Method
 */

const classes = ['T', 'H', 'P', 'T+', 'H+', 'P+'];
const metrics = /** @type {const} */ (['auc', 'uauc']);

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The paired test of a metric of two methods, of which every resample has a value.
 *
 * @param {Pick<BootstrapResult, 'replicates'>} of
 * @param {Pick<BootstrapResult, 'replicates'>} against
 * @returns {import('@crossgate/eval').PairedBootstrapTest}
 */
export function pairedTest(of, against) {
  const test = pairedBootstrapTest(of.replicates, against.replicates);
  if (test === null) throw new Error('no resample has a value of both methods');
  return test;
}

/** What a config says beside its name: seeds of one method agree in it. @param {LeaderboardRecord} record */
function configOf({ config, information, dataset }) {
  const { seed: _, cf, ...rest } = /** @type {Record<string, any>} */ (config);
  // Each seed of a hybrid method is given the CF run of its seed.
  const ofCf = cf && { ...cf, ...(cf.run !== undefined && { run: 'given' }) };
  return JSON.stringify([information, dataset.hash, rest, ofCf]);
}

/**
 * Records by name.
 *
 * @param {readonly LeaderboardRecord[]} records
 * @returns {Method[]}
 * @throws {Error} for records of one name that are not seeds of one config, and for records of other rows or resamples
 */
export function methodsOf(records) {
  const [first] = records;
  /** @type {Map<string, LeaderboardRecord[]>} */
  const byName = new Map();
  for (const record of [...records].sort((a, b) => a.seed - b.seed)) {
    const { name, seed, rows, bootstrap } = record;
    const settings = (/** @type {LeaderboardRecord['bootstrap']} */ { samples, seed, users }) =>
      [samples, seed, users].join();
    if (rows !== first?.rows || settings(bootstrap) !== settings(first.bootstrap))
      throw new Error(`${name}-${seed}: its rows or resamples are not those of the other records`);
    const others = byName.get(name) ?? [];
    if (others.some((other) => other.seed === seed)) throw new Error(`${name}: seed ${seed} is there twice`);
    if (others[0] && configOf(others[0]) !== configOf(record))
      throw new Error(`${name}: seeds ${others[0].seed} and ${seed} are of two configs; keep one under another name`);
    byName.set(name, [...others, record]);
  }
  return [...byName].map(([name, runs]) => {
    const test = (/** @type {'auc' | 'uauc'} */ metric) => mean(runs.map(({ metrics }) => metrics.test[metric]));
    const [auc, uauc] = [test('auc'), test('uauc')];
    const resampled = (/** @type {'auc' | 'uauc'} */ metric) =>
      meanBootstrap(
        runs.map(({ bootstrap, metrics }) => ({
          estimate: metrics.test[metric],
          replicates: bootstrap[metric].split(' ').map((value) => (value === 'null' ? null : Number(value) / 1e5)),
        })),
      );
    return { name, runs, auc, uauc, resampled: { auc: resampled('auc'), uauc: resampled('uauc') } };
  });
}

/** @param {number | null | undefined} value */
const decimals = (value) => (value === null || value === undefined ? '–' : value.toFixed(4).replace(/^0/, ''));
/** @param {number} value */
const signed = (value) => `${value < 0 ? '−' : '+'}${decimals(Math.abs(value))}`;
/** @param {readonly (string | null)[]} values */
const distinct = (values) => [...new Set(values.map((value) => value ?? 'none needed'))].join(', ');
/** @param {readonly string[][]} rows the first is the header */
const table = ([header = [], ...rows]) =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/**
 * The table of a class, best first.
 *
 * @param {readonly Method[]} methods
 * @param {(pValues: number[]) => ArrayLike<number>} holm
 */
function classTable(methods, holm) {
  const [best, ...others] = [...methods].sort((a, b) => b.auc - a.auc || (a.name < b.name ? -1 : 1));
  if (best === undefined) return '';
  const tests = metrics.map((metric) => {
    const found = others.map(({ resampled }) => pairedTest(resampled[metric], best.resampled[metric]));
    const adjusted = holm(found.map(({ pValue }) => pValue));
    return found.map((test, index) => ({ ...test, pHolm: /** @type {number} */ (adjusted[index]) }));
  });
  const rows = [best, ...others].map(({ name, runs, resampled, ...values }, place) => {
    const over = (/** @type {'auc' | 'uauc'} */ metric) => {
      const [low, high] = resampled[metric].interval ?? [];
      return `${decimals(values[metric])} (${decimals(low)}–${decimals(high)})`;
    };
    const against = metrics.map((metric, index) => {
      const test = tests[index]?.[place - 1];
      if (test === undefined) return 'best';
      const [low, high] = test.interval;
      const p = test.pHolm < 0.001 ? '< .001' : test.pHolm.toFixed(3).replace(/^0/, '');
      return `${signed(values[metric] - best[metric])} (${signed(low)} to ${signed(high)}), p ${p}`;
    });
    const valid = metrics.map((metric) => {
      const values = runs.flatMap((run) => run.metrics.valid?.[metric] ?? []);
      return values.length === runs.length ? decimals(mean(values)) : '–';
    });
    return [
      ...[name, runs.map(({ seed }) => seed).join(', '), valid.join(' / '), over('auc'), over('uauc'), ...against],
      String(Math.round(mean(runs.map(({ seconds }) => seconds)))),
      Math.max(...runs.map(({ parameters }) => parameters)).toLocaleString('en-US'),
      distinct(runs.map(({ adapter }) => adapter)),
      distinct(runs.map(({ commit }) => commit.slice(0, 7))),
    ];
  });
  return table([
    ...[['method', 'seeds', 'valid AUC / UAUC', 'test AUC', 'test UAUC', 'AUC − best', 'UAUC − best']].map((header) => [
      ...[...header, 'seconds', 'parameters', 'adapter', 'commit'],
    ]),
    ...rows,
  ]);
}

/**
 * The page.
 *
 * @param {readonly LeaderboardRecord[]} records
 * @param {readonly Published[]} published
 * @param {(pValues: number[]) => ArrayLike<number>} holm Holm's correction, of `@crossgate/eval`
 */
export function leaderboardPage(records, published, holm) {
  const methods = methodsOf(records);
  const unknown = methods.find(({ runs }) => !classes.includes(runs[0]?.information ?? ''));
  if (unknown)
    throw new Error(`${unknown.name}: class ${unknown.runs[0]?.information} is none of ${classes.join(', ')}`);
  const sections = classes.flatMap((information) => {
    const own = methods.filter(({ runs }) => runs[0]?.information === information);
    return own.length === 0 ? [] : [`## Class ${information}\n\n${meanings[information]}\n\n${classTable(own, holm)}`];
  });
  const order = (/** @type {Published} */ { sees }) => classes.indexOf(sees);
  const numbers = [...published].sort((a, b) => order(a) - order(b) || a.auc - b.auc);
  const others = table([
    ['method', 'sees', 'AUC', 'UAUC', 'as told by', 'remarks'],
    ...numbers.map(({ method, sees, auc, uauc, source, note }) => [
      method,
      sees,
      decimals(auc),
      decimals(uauc),
      source,
      note,
    ]),
  ]);
  return `${[introduction, ...sections, `## Published numbers\n\n${publishedText}\n\n${others}`].join('\n\n')}\n`;
}

/** What each class sees. @type {Record<string, string>} */
const meanings = {
  T: 'Train labels of the paper’s months, June 2001 to March 2002.',
  H: 'T, and the user’s later positives before the row.',
  P: 'H, and the user’s later negatives before the row.',
  'T+': 'As T, with every rating before April 2002 in train (`data.window: all`).',
  'H+': 'As H, with every rating before April 2002 in train and histories (`data.window: all`).',
  'P+': 'As P, with every rating before April 2002 in train and histories (`data.window: all`).',
};

const introduction = `<!-- Made by studies/leaderboard/main.mjs from the records in docs/results/leaderboard: do not edit. -->

# Leaderboard: MovieLens-1M, the paper’s test rows

Every method was scored on the same 7,331 test rows of 320 users; UAUC is the mean over the 224 users with both labels.
A row stands here because its record is kept in [leaderboard](leaderboard), one file per run, and a test checks that
this page is what the records give. To add a finished run:

\`\`\`sh
npm run -s example -- studies/leaderboard/main.mjs keep RUN… [--as NAME] [--commit HASH]
\`\`\`

Methods of different classes saw different labels, and are not compared. Metrics are means over the seeds. In
parentheses: 95 % intervals by 1,000 bootstrap resamples of whole users. “− best” is the difference to the method with the
highest AUC of the class on the same resamples, with a p-value corrected by Holm over the class; the smallest that
1,000 resamples can give is .002 before correction. The tests leave out the spread between seeds. The best was chosen on
the test rows, which flatters it a little. Seconds are of one run, on whatever else the machine did. Parameters are those
that were trained, CF included.

The records of the classes with a plus are of the latest 200,042 of MovieLens-1M’s 1,000,209 ratings, December 2000 on.
The whole file has more ratings before April 2002, and other numbers.`;

const publishedText =
  'On the test rows of the same split. They have no intervals, and nobody has repeated them here: they stand beside class T ' +
  'or H, and beside no class with a plus.';
