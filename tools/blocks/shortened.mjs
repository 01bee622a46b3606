// Commands of the documentation that the test of its blocks runs with further arguments, so that they take a second
// instead of minutes. The last of two settings wins. A page's words stay as they are: only what they compute is less.

/**
 * @typedef {object} Shortened
 * @property {RegExp} what matches a command line as its page shows it
 * @property {readonly string[]} add what stands behind it
 */

/** @param {readonly string[]} settings @returns {string[]} */
const set = (settings) => settings.flatMap((setting) => ['--set', setting]);

/** Of CF: one epoch on short vectors. */
export const briefCf = set(['cf.epochs=1', 'cf.warmupEpochs=0', 'cf.cfDim=4']);

/** Of a language model: two steps in each stage, and few rows to judge by. */
const briefModel = set([
  ...['stage1', 'stage2'].flatMap((stage) =>
    ['rows=4', 'batchSize=2', 'warmupSteps=0', 'evaluateEvery=2'].map((rest) => `training.${stage}.${rest}`),
  ),
  ...['prompt.historyLength=2', 'evaluation.validRows=4', 'evaluation.testRows=4'],
]);

/** @type {readonly Shortened[]} */
export const shortened = [
  { what: /(crossgate|crossgate --) train /, add: briefCf },
  { what: /(crossgate|crossgate --) train .*(ccf|CONFIG)/, add: briefModel },
  // One stage: the text alone.
  { what: /(crossgate|crossgate --) train .*tallrec/, add: briefModel },
  { what: /(crossgate|crossgate --) generate/, add: ['--max-new-tokens', '2'] },
  // What would be trained, and what it would cost.
  { what: /crossgate (sweep|reproduce) /, add: ['--list'] },
  { what: /crossgate-bench loading models/, add: ['--repeats', '1'] },
  { what: /crossgate-bench loading --interactions/, add: ['--interactions', '1000', '--repeats', '1'] },
  { what: /crossgate-bench host/, add: ['--steps', '1', '--warmup', '1'] },
  {
    what: /crossgate-bench scoring/,
    add: ['--model', 'models/stories260K/hf', '--candidates', '2', '--history', '1', '--repeats', '1'],
  },
];

/** What the test adds to a command line. @param {string} shown @returns {string[]} */
export const addedTo = (shown) => shortened.flatMap(({ what, add }) => (what.test(shown) ? add : []));
