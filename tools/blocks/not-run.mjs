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
    what: /^(scp|tar|openssl|chmod|psql|python3|nats-server|export|RUNS=)/,
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
  {
    what: /llm\.precision=f16/,
    reason: 'needs a GPU with matrix units; apps/train/test/load-model.test.ts sees it refused without',
  },
  { what: /^npm run web/, reason: 'does not end; apps/web/test/page.test.ts serves the page and opens it' },
  {
    what: /import \{ openDevice \} from '@crossgate\/gpu';/,
    where: 'docs/browser.md',
    reason: 'is for browsers; apps/web/test/page.test.ts does the same in one',
  },
  { what: /^npm run -s example -- studies/, reason: 'a study takes minutes to hours' },
  { what: /^npm run -s example -- reference/, reason: 'needs a program of others that this checkout lacks' },
  { what: /^npm run -s example -- (packages|FILE)/, reason: 'tools/docs.test.ts runs every example' },
  { what: /^crossgate-linux-x64\/run\.sh/, reason: 'tools/bundle/bundle.test.ts runs the archive' },
  // Our programs.
  {
    what: /^(crossgate|npm run -s crossgate --) (work|.*--shard auto)/,
    reason: 'needs a server; apps/train/test/work.test.ts starts one',
  },
  {
    what: /^(crossgate|npm run -s crossgate --) (data download|model pull)/,
    reason: 'asks the network; packages/hub and download.test.ts ask local servers',
  },
  {
    what: /^(crossgate demo|npm run (-s )?demo)/,
    reason: 'takes minutes, and no option makes it shorter; apps/train/test/demo.test.ts runs parts',
  },
  {
    what: /^(npm run -s bench --|crossgate-bench) (kernels|peers|probe|training|verify)/,
    reason: 'takes minutes; tests of that name in apps/bench run these commands on little',
  },
  {
    what: /^crossgate train .*api-llm/,
    reason: 'asks an endpoint; apps/train/test/api-llm.test.ts asks a local one',
  },
  {
    what: /^crossgate train runs\/sweep-shop/,
    reason: 'needs a finished search; apps/train/test/sweep.test.ts trains what one writes',
  },
  { what: /^crossgate setup/, reason: 'may download a driver; packages/setup/test tests it' },
  {
    what: /crossgate train configs\/demo\/smoke/,
    reason: 'takes most of a minute; apps/train/test/profile.test.ts profiles a training',
  },
  {
    what: /train configs\/ml-1m\/ccf-mf-smollm2/,
    where: 'docs/results/smollm2-steps/README.md',
    reason: 'is of a record, on a model that this test has not',
  },
  { what: /\$RUNS/, reason: 'needs all runs of a reproduction, which take minutes' },
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
