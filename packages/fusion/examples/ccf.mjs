// Trains CCF-LLM on a few rows of MovieLens-1M, both stages, and scores some test rows: the whole way in one page.
// npm run -s example -- packages/fusion/examples/ccf.mjs MODEL DATA [ROWS]
import { CfTrainer, MatrixFactorization, seenInTrain } from '@crossgate/cf';
import { loadSource } from '@crossgate/data/node';
import { evaluateClicks } from '@crossgate/eval';
import { buildHybridModel, ccf, PromptBuilder, scoreRows, stagesOf, trainHybrid } from '@crossgate/fusion';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';

const [modelPath, dataPath, rows = '48'] = process.argv.slice(2);
if (!modelPath || !dataPath) throw new Error('usage: ccf.mjs MODEL DATA [ROWS]');
const seed = 1;
const dataset = await loadSource('ml-1m', dataPath); // ratings.dat, movies.dat
const device = await openDevice();

// The collaborative side: vectors of users and items. Two epochs show the way; they teach nothing yet.
const factors = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 32, seed });
const cfTrainer = new CfTrainer(factors, dataset.splits, {
  learningRate: 1e-3,
  weightDecay: 1e-4,
  batchSize: 1024,
  epochs: 2,
  patience: 1,
  warmupEpochs: 2,
  seed,
});
await cfTrainer.run();
cfTrainer.release();

// The language side, and the prompts that join the two.
const files = await openModel(modelPath);
const llm = await LlamaModel.load(device, files.source);
const builder = new PromptBuilder(
  await files.tokenizer(),
  dataset.items.map(({ title }) => title),
  { template: ccf.template, nouns: 'movies', historyLength: 5, maxLength: llm.maxPositions, slots: ccf.slots },
);
await files.close();
const { user, item } = dataset.splits.test;
console.log(builder.describe({ user: user[9], item: item[9], history: dataset.history('test', 9, 5) }));

const {
  model,
  norms: [norms],
} = await buildHybridModel(llm, [factors], {
  seed,
  lora: { rank: 8, alpha: 16, dropout: 0.05, targets: ['q_proj', 'v_proj'] },
  alg: { hiddenFactor: 10, init: 'matchTokenNorm' },
  gate: { hidden: 256, activation: 'none', init: 'default', width: 'dimension' },
});
console.log('mean vector norms', norms);

const settings = {
  rows: Number(rows),
  epochs: 1,
  batchSize: 16,
  learningRate: 1e-3,
  weightDecay: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  clipNorm: null,
  evaluateEvery: null,
  patience: null,
};
const loss = { kind: 'eq5', k: 2, bprOn: 'probability' };
await trainHybrid({
  model,
  builders: [builder, builder], // one for each stage
  dataset,
  stages: stagesOf(ccf, 'two-stage'), // stage 1: LoRA; stage 2: ALG, GATE and the CF vectors
  settings: { stage1: settings, stage2: settings },
  trainCf: true,
  loss,
  seed,
  validRows: 32,
  checkpointEvery: null,
  onStep: (report) => console.log(`stage ${report.stage + 1}, step ${report.step}: loss ${report.loss?.toFixed(4)}`),
});

const test = dataset.splits.test;
const some = Int32Array.from({ length: 64 }, (_, i) => Math.floor((i * test.rows) / 64));
const { yes, no } = builder.answers;
const score = await scoreRows(model, builder, dataset, 'test', some, { ...loss, yesToken: yes, noToken: no });
const column = (values) => Array.from(some, (row) => values[row]);
console.log(evaluateClicks({ user: column(test.user), label: column(test.label), seen: column(test.seen), score }));
await device.destroy();
