// What of the documentation's code no test runs, and why. Commands of our programs among them are still checked: the
// command, its options and its config files exist.

/**
 * @typedef {object} NotRun
 * @property {RegExp} what matches a command line, or the text of a block
 * @property {string} [where] the one file that is meant
 * @property {string} reason
 */

/** @type {readonly NotRun[]} */
export const notRun = [
  // Programs of others.
  {
    what: /^(docker|kubectl|sbatch|id=\$\(|SHARDS=|CONFIG=)/,
    reason: 'needs a cluster; apps/train/test/deploy.test.ts reads the files',
  },
  {
    what: /^(scp|tar|curl|openssl|chmod|psql|nats-server|export|RUNS=)/,
    reason: 'a program of others, or a setting of the shell',
  },
  {
    what: /^(mkdir (\/tmp\/)?tarballs|npm (pack|install)|npm login)/,
    reason: 'tools/workspace/pack.test.ts packs and installs packages',
  },
  { what: /^(apt-get|mpirun)/, reason: 'apps/train/test/ranks.test.ts starts ranks where mpirun is' },
  // Scripts of the checkout.
  {
    what: /^npm (test|run (build|lint|types|boundaries|check-packages|change|bundle|site|publish-packages|(-s )?setup)|run$)/,
    reason: 'this test is part of it, or it takes minutes',
  },
  { what: /^npm run web/, reason: 'does not end; apps/web/test/page.test.ts serves the page and opens it' },
  {
    what: /import \{ openDevice \} from '@crossgate\/gpu';/,
    where: 'docs/browser.md',
    reason: 'is for browsers; apps/web/test/page.test.ts does the same in one',
  },
  { what: /^npm run -s example -- studies/, reason: 'a study takes minutes to hours' },
  { what: /^npm run -s example -- (packages|FILE)/, reason: 'tools/docs.test.ts runs every example' },
  { what: /^crossgate-linux-x64\/run\.sh/, reason: 'tools/bundle/bundle.test.ts runs the archive' },
  // Our programs.
  { what: /^(crossgate|npm run -s crossgate --) serve/, reason: 'does not end; apps/train/test/serve.test.ts serves' },
  {
    what: /^(crossgate|npm run -s crossgate --) (work|.*--shard auto)/,
    reason: 'needs a server; apps/train/test/work.test.ts starts one',
  },
  {
    what: /^(crossgate|npm run -s crossgate --) (data download|model pull)/,
    reason: 'asks the network; packages/hub and download.test.ts ask local servers',
  },
  {
    what: /^(crossgate demo|npm run (-s )?demo|crossgate reproduce)/,
    reason: 'takes minutes; demo.test.ts and reproduce.test.ts of apps/train run parts',
  },
  {
    what: /^(npm run -s bench --|crossgate-bench)/,
    reason: 'times of kernels take minutes; tests of apps/bench run every command',
  },
  {
    what: /^crossgate (train .*api-llm|api )/,
    reason: 'asks an endpoint; apps/train/test/api-llm.test.ts asks a local one',
  },
  { what: /^crossgate sweep/, reason: 'trains many times; apps/train/test/sweep.test.ts searches small spaces' },
  {
    what: /^crossgate train runs\/sweep-shop/,
    reason: 'needs a search; apps/train/test/sweep.test.ts trains what one writes',
  },
  { what: /^crossgate setup/, reason: 'may download a driver; packages/setup/test tests it' },
  {
    what: /(crossgate|crossgate --) train .*(tallrec|ccf|CONFIG|smoke)/,
    reason: 'trains a language model; apps/train/test/gpu.test.ts does so on a few rows',
  },
  { what: /crossgate -- adapter /, reason: 'needs a trained adapter; apps/train/test/adapter.test.ts makes one' },
  {
    what: /^crossgate train shop\.yaml --run runs\/may/,
    reason: 'needs an earlier run; packages/experiment/test/from-run.test.ts continues one',
  },
  { what: /--lora|\$RUNS/, reason: 'needs what the line before makes, which is not run' },
  // Blocks of TypeScript.
  {
    where: 'packages/setup/README.md',
    what: /resolveGpu/,
    reason: 'searches for a driver and may download one; packages/setup/test tests it',
  },
  { where: 'packages/hub/README.md', what: /pullModel/, reason: 'asks the Hub; packages/hub/test asks a local one' },
  {
    where: 'apps/bench/README.md',
    what: /measureCeilings/,
    reason: 'measures for a minute; apps/bench/test does so briefly',
  },
  {
    where: 'packages/testing/README.md',
    what: /launchBrowser/,
    reason: 'needs a served page; packages/serve/test opens pages so',
  },
];
