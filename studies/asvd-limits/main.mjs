// What would asymmetric SVD gain by other losses, by neighbors and by time? On validation rows alone; test rows are not
// read. A minute.
//
//   npm run -s example -- studies/asvd-limits/main.mjs RUN [WEIGHT-DECAY]
//
// RUN is a finished run of `asvd`, such as that of configs/ml-1m/asvd-all.yaml; the weight decay of its config is 3e-6.
import { renderTable } from '@crossgate/eval';
import { columnsOf, regress } from './columns.mjs';
import { train, usersOf } from './host-model.mjs';
import { judge, openRun } from './run.mjs';

const [folder, decay = '3e-6'] = process.argv.slice(2);
if (folder === undefined || !(Number(decay) >= 0)) {
  process.stderr.write('usage: main.mjs RUN [WEIGHT-DECAY] (see the head of the file)\n');
  process.exit(2);
}
const run = await openRun(folder);
/** @type {[string, { auc: number, uauc: number }][]} */
const rows = [];
const note = (/** @type {string} */ name, /** @type {{ auc: number, uauc: number }} */ found) => {
  rows.push([name, found]);
  process.stderr.write(`${name}: ${found.auc.toFixed(4)} / ${found.uauc.toFixed(4)}\n`);
};
const logits = run.logits('valid');
note('the run', judge(run, logits));
const users = { train: usersOf(run, 'train'), valid: usersOf(run, 'valid') };
/** @type {[string, import('./host-model.mjs').Loss][]} */
const losses = [
  ['trained on the host', {}],
  ...[0.3, 1, 3].map(
    (pairwise) => /** @type {[string, object]} */ ([`pairs of a user's rows, weight ${pairwise}`, { pairwise }]),
  ),
  ...[90, 180, 365].map((days) => /** @type {[string, object]} */ ([`rows fade by e in ${days} days`, { days }])),
];
for (const [name, loss] of losses) note(name, train(run, users, Number(decay), loss));
const { neighbors, year, trend } = columnsOf(run);
note('regression on its logit', regress(run, [logits]));
note('and neighbors', regress(run, [logits, neighbors]));
note('and titles of about the same year', regress(run, [logits, year]));
note("and changes of items' means", regress(run, [logits, trend]));
note('and all three', regress(run, [logits, neighbors, year, trend]));
const right = { align: /** @type {const} */ ('right') };
const table = renderTable(
  ['', { header: 'valid AUC', ...right }, { header: 'valid UAUC', ...right }],
  rows.map(([name, { auc, uauc }]) => [name, auc.toFixed(4), uauc.toFixed(4)]),
  'markdown',
);
process.stdout.write(`${table}\n`);
