/**
 * How well do folded-in users score? A fifth of the users of MovieLens-100K is held out: one model is trained with
 * their train rows, another without, which then folds them in by these rows. Both score the same test rows of these
 * users. Usage: npm run -s example -- studies/fold-in/main.mjs [mf|lightgcn] [bce|bpr] [EPOCHS]; minutes per model.
 */
import { CfTrainer, LightGcn, MatrixFactorization, positiveEdges, seenInTrain } from '@crossgate/cf';
import { loadSource } from '@crossgate/data/node';
import { auc, uauc } from '@crossgate/eval';
import { openDevice } from '@crossgate/gpu/node';

const [model = 'mf', loss = 'bce', epochs = loss === 'bce' ? 300 : 60] = process.argv.slice(2);
const source = process.env.CROSSGATE_DATA ?? 'data';
const dataset = await loadSource('ml-100k', `${source}/ml-100k`, {
  threshold: loss === 'bce' ? 3 : 0,
  split: { by: 'ratio', valid: 0.1, test: 0.2, perUser: true, seed: 1 },
});
const device = await openDevice();
const heldOut = (user) => user % 5 === 0;
const { train, valid, test } = dataset.splits;

function pick(split, keep) {
  const rows = [...split.user.keys()].filter((row) => keep(split.user[row]));
  const column = (values) => values.filter((_, row) => keep(split.user[row]));
  return {
    rows: rows.length,
    ...{ user: column(split.user), item: column(split.item), label: column(split.label) },
  };
}

const settings = {
  mf: { cfDim: 64, initStd: loss === 'bce' ? 1 : 0.04, learningRate: 1e-3, weightDecay: loss === 'bce' ? 1e-4 : 0 },
  lightgcn: { cfDim: 64, initStd: 0.1, learningRate: 5e-3, weightDecay: loss === 'bce' ? 1e-4 : 1e-7 },
}[model];

async function trained(rows, validRows) {
  const part = {
    ...dataset,
    userCount: dataset.userCount,
    itemCount: dataset.itemCount,
    splits: { ...dataset.splits, train: rows },
  };
  const common = { ...seenInTrain(part), ...settings, seed: 1 };
  const made =
    model === 'mf'
      ? MatrixFactorization.create(device, common)
      : LightGcn.create(device, { ...common, layers: 2, graph: positiveEdges(part) });
  const trainer = new CfTrainer(
    made,
    {
      train: rows,
      valid: loss === 'bce' ? validRows : { ...validRows, rows: 0, user: [], item: [], label: new Uint8Array() },
    },
    {
      ...settings,
      ...{ loss, seed: 1, batchSize: 1024, warmupEpochs: model === 'mf' ? 60 : 5, patience: 15 },
      epochs: Number(epochs),
      ...(loss !== 'bce' && { criterion: 'last' }),
    },
  );
  const result = await trainer.run();
  console.error(model, loss, 'trained', result);
  trainer.release();
  return made;
}

const rowsOfHeld = pick(test, heldOut);
/** AUC and UAUC of scores; of positives alone, against items that the user has no row with. */
const held = [...new Set(rowsOfHeld.user)];
const known = new Map();
for (const split of [train, valid, test])
  for (const [row, user] of split.user.entries()) {
    if (!known.has(user)) known.set(user, new Set());
    known.get(user).add(split.item[row]);
  }
const evaluated = rowsOfHeld;
if (loss !== 'bce') {
  const [user, item, label] = [[...evaluated.user], [...evaluated.item], [...evaluated.label]];
  for (const u of held)
    for (let i = 1; i <= dataset.itemCount; i++)
      if (!known.get(u).has(i)) {
        user.push(u);
        item.push(i);
        label.push(0);
      }
  Object.assign(evaluated, { user, item, label, rows: user.length });
}
const report = (name, score) => {
  const [a, u] = [auc(evaluated.label, score), uauc({ user: evaluated.user, label: evaluated.label, score }).uauc];
  console.log(`${model} ${loss} ${name}: AUC ${a.toFixed(4)}, UAUC ${u.toFixed(4)}, rows ${evaluated.rows}`);
};

const whole = await trained(train, valid);
report('trained', await whole.scorePairs(evaluated.user, evaluated.item));
whole.release();

const rest = await trained(
  pick(train, (user) => !heldOut(user)),
  pick(valid, (user) => !heldOut(user)),
);
const { users, items, cfDim, userSeen } = await rest.exportEmbeddings();
const state = await rest.state();
const table = state.get('user_embedding.weight').data;
const seen = [...userSeen.keys()].filter((user) => userSeen[user] === 1);
const meanOf = (values) =>
  Float64Array.from({ length: cfDim }, (_, c) => seen.reduce((sum, u) => sum + values[u * cfDim + c], 0) / seen.length);
const mean = meanOf(table);
const squares = (start) =>
  seen.reduce((sum, u) => sum + mean.reduce((s, _, c) => s + (table[u * cfDim + c] - start[c]) ** 2, 0), 0) /
  (seen.length * cfDim);
const zero = new Float64Array(cfDim);
const rowsLearned = pick(train, (user) => !heldOut(user)).rows;
console.log(
  'mean square of entries about 0 and the mean',
  squares(zero),
  squares(mean),
  'N·λ',
  rowsLearned * settings.weightDecay,
);
const clicksOf = new Map(held.map((user) => [user, { liked: [], disliked: [] }]));
for (const [row, user] of train.user.entries())
  clicksOf.get(user)?.[train.label[row] ? 'liked' : 'disliked'].push(train.item[row]);
const logits = (vectors) =>
  Float64Array.from(evaluated.user, (user, row) => {
    const vector = vectors.get(user) ?? zero;
    let sum = 0;
    for (let c = 0; c < cfDim; c++) sum += vector[c] * items[evaluated.item[row] * cfDim + c];
    return sum;
  });
report('the mean of trained users', logits(new Map(held.map((user) => [user, meanOf(users)]))));
if (model === 'lightgcn') {
  const folding = await rest.userFolding({ loss, prior: { start: zero, decay: new Float64Array(cfDim).fill(1e9) } });
  report('propagation alone', logits(new Map(held.map((user) => [user, folding.fold(clicksOf.get(user))?.vector]))));
}
{
  const folding = await rest.userFolding({ loss, decay: rowsLearned * settings.weightDecay });
  const before = performance.now();
  const vectors = new Map(held.map((user) => [user, folding.fold(clicksOf.get(user))?.vector]));
  report(
    `folded in as recommend does, ${((performance.now() - before) / held.length).toFixed(1)} ms a user`,
    logits(vectors),
  );
}
for (const [what, start] of [
  ['zero', zero],
  ['the mean', mean],
]) {
  const empirical = 1 / squares(start);
  for (const decay of [rowsLearned * settings.weightDecay, empirical, 0.3, 1, 3, 10, 30]) {
    if (decay === 0) continue;
    const folding = await rest.userFolding({ loss, prior: { start, decay: new Float64Array(cfDim).fill(decay) } });
    const before = performance.now();
    const vectors = new Map(held.map((user) => [user, folding.fold(clicksOf.get(user))?.vector]));
    const ms = (performance.now() - before) / held.length;
    report(
      `folded in, start ${what}, decay ${decay.toPrecision(3)}${decay === empirical ? ' (1/variance)' : ''}, ${ms.toFixed(1)} ms a user`,
      logits(vectors),
    );
  }
}
rest.release();
await device.destroy();
