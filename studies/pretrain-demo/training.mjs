// The training loop of the demo's language model: next tokens, answers counted by themselves.
import { LlamaModel, packSequences } from '@crossgate/llm';
import {
  Adam,
  crossEntropy,
  embedding,
  fromHost,
  learningRateAt,
  matmul,
  RandomStream,
  readGroup,
  scale,
  Tape,
  writeGroup,
  yesNoLoss,
} from '@crossgate/tensor';
import { batchMaker } from './batches.mjs';
import { makeFirstSteps, makeList, makePreferences, makeTold } from './corpus.mjs';
import { makePreferencesInDegrees, makeToldInDegrees } from './degrees.mjs';
import { makeParameters } from './model.mjs';

/** Texts of each kind in a batch. */
const none = { firstSteps: 0, lists: 0, told: 0, preferences: 0, toldInDegrees: 0, preferencesInDegrees: 0 };
const texts = { ...none, lists: 1 };
/**
 * @typedef {{ steps: number, learningRate: number, texts: typeof none, degrees: import('./degrees.mjs').Degrees | null
 *   }} Phase
 */

/**
 * How it is trained; kept beside the weights. Phases go from what is easy to what is asked for: the model finds out how
 * to compare two words when a text has nothing but two, and hardly ever when it begins with whole titles. Each has its
 * own learning rate schedule and optimizer state.
 */
export const settings = {
  /** @type {readonly Phase[]} */
  phases: [
    { steps: 900, learningRate: 3e-3, texts: { ...texts, firstSteps: 14, lists: 4 }, degrees: null },
    { steps: 700, learningRate: 3e-3, texts: { ...texts, firstSteps: 4, told: 12 }, degrees: null },
    { steps: 1200, learningRate: 3e-3, texts: { ...texts, firstSteps: 1, told: 5, preferences: 14 }, degrees: null },
    { steps: 1400, learningRate: 3e-3, texts: { ...texts, firstSteps: 1, told: 9, preferences: 9 }, degrees: null },
    {
      steps: 1200,
      learningRate: 3e-3,
      texts: { ...texts, toldInDegrees: 9, preferencesInDegrees: 9 },
      degrees: { least: 0.2, span: 1.1, power: 1, sharpness: 1.5, lettersIn: 0 },
    },
    {
      steps: 600,
      learningRate: 2e-3,
      texts: { ...texts, toldInDegrees: 9, preferencesInDegrees: 9 },
      degrees: { least: 0.05, span: 1.2, power: 2, sharpness: 4, lettersIn: 0 },
    },
    {
      steps: 800,
      learningRate: 3e-3,
      texts: { ...texts, toldInDegrees: 10, preferencesInDegrees: 7 },
      degrees: { least: 0.05, span: 1.2, power: 2, sharpness: 4, lettersIn: 0.6 },
    },
  ],
  warmupSteps: 100,
  warmupStart: 1e-5,
  minLearningRate: 1e-5,
  beta2: 0.98,
  weightDecay: 0.01,
  clipNorm: 1,
};

/** Steps between two points of the curve, and between two looks at held-out text. */
const pointEvery = 50;
const heldOutEvery = 250;

/**
 * @typedef {object} Point
 * @property {number} step of its phase, from 1
 * @property {number} seconds since the phase began
 * @property {number} answerLoss mean cross entropy of the answers since the last point, nats
 * @property {number} textLoss the same of all other tokens
 * @property {number} [heldOutAnswerLoss] of answers in preference texts of another seed
 */

/** @template T @param {number} count @param {T} value @returns {T[]} */
const repeat = (count, value) => Array.from({ length: count }, () => value);
/** @param {ArrayLike<number>} list */
const mean = (list) => Array.from(list).reduce((sum, value) => sum + value, 0) / list.length;

/** A maker for every text of a batch. @param {Phase} phase @param {typeof none} counts */
function makersOf({ degrees }, counts) {
  /** @param {(random: RandomStream, degrees: import('./degrees.mjs').Degrees) => import('./corpus.mjs').Part[]} make */
  const inDegrees = (make) => (/** @type {RandomStream} */ random) => {
    if (degrees === null) throw new Error('a phase with texts in degrees has to say which');
    return make(random, degrees);
  };
  return [
    ...repeat(counts.firstSteps, makeFirstSteps),
    ...repeat(counts.lists, makeList),
    ...repeat(counts.told, makeTold),
    ...repeat(counts.preferences, makePreferences),
    ...repeat(counts.toldInDegrees, inDegrees(makeToldInDegrees)),
    ...repeat(counts.preferencesInDegrees, inDegrees(makePreferencesInDegrees)),
  ];
}

/**
 * Trains a new model, or goes on with one, for one phase. The same seed on the same adapter gives the same weights.
 *
 * @param {import('@crossgate/gpu').Device} device
 * @param {{ json: ReturnType<typeof import('./model.mjs').makeConfig>, tokenizer: import('@crossgate/llm').Tokenizer,
 *   seed: number, phase: Phase, first: import('@crossgate/tensor').HostState | null,
 *   onPoint: (point: Point) => void }} options `first`: the weights that the phase before gave
 * @returns {Promise<import('@crossgate/tensor').HostState>}
 */
export async function pretrain(device, { json, tokenizer, seed, phase, first, onPoint }) {
  const { config, group, weights } = makeParameters(device, json, seed);
  if (first !== null) writeGroup(group, first, 'the first weights');
  const model = LlamaModel.over(device, config, weights);
  const makeBatch = batchMaker(tokenizer, config.vocabSize);
  const table = weights.get('model.embed_tokens.weight');
  if (table === undefined) throw new Error('the model has no embeddings');
  const learner = { model, table, ...answerTokensOf(tokenizer) };
  const begun = performance.now();
  const makers = makersOf(phase, phase.texts);
  const asked = { ...none, [phase.degrees ? 'preferencesInDegrees' : 'preferences']: 20 };
  const heldOut = new RandomStream(seed + 1000, 'held-out corpus');
  const heldOutBatches = Array.from({ length: 8 }, () => makeBatch(heldOut, makersOf(phase, asked)));
  const { learningRate } = phase;
  const optimizer = new Adam([group], { kind: 'adamw', ...settings, learningRate });
  const schedule = { ...settings, learningRate, schedule: /** @type {const} */ ('cosine'), totalSteps: phase.steps };
  const random = new RandomStream(seed, 'corpus');
  /** One update. @param {number} step from 1 */
  const update = async (step) => {
    using _ = device.step();
    group.zeroGradients();
    const tape = new Tape();
    const losses = tape.record(() => lossesOf(learner, makeBatch(random, makers)));
    tape.backward();
    optimizer.step(learningRateAt(step - 1, schedule));
    return readMeans(losses);
  };
  /** Losses since the last point. @type {Promise<number[]>[]} */
  let recent = [];
  for (let step = 1; step <= phase.steps; step++) {
    recent.push(update(step));
    await recent.at(-2); // One step stays under way while the next is recorded.
    if (step % pointEvery !== 0 && step !== phase.steps) continue;
    const losses = await Promise.all(recent);
    recent = [];
    /** @type {Point} */
    const point = {
      step,
      seconds: Math.round((performance.now() - begun) / 1000),
      answerLoss: mean(losses.map(([answer]) => answer ?? Number.NaN)),
      textLoss: mean(losses.map(([, text]) => text ?? Number.NaN)),
    };
    if (!Number.isFinite(point.answerLoss + point.textLoss)) {
      throw new Error(`the loss is no number at step ${point.step}`);
    }
    if (step % heldOutEvery === 0 || step === phase.steps) {
      point.heldOutAnswerLoss = await answerLoss(learner, heldOutBatches);
    }
    onPoint(point);
  }
  optimizer.release();
  const state = await readGroup(group);
  model.release();
  group.release();
  return state;
}

/**
 * @typedef {{ model: LlamaModel, table: import('@crossgate/tensor').Tensor, yesToken: number, noToken: number }}
 *   Learner
 */

/** @param {import('@crossgate/llm').Tokenizer} tokenizer */
function answerTokensOf(tokenizer) {
  const [yesToken, noToken] = ['▁Yes', '▁No'].map((piece) => tokenizer.tokenToId(piece));
  if (yesToken === undefined || noToken === undefined) throw new Error('the tokenizer has no token for Yes or for No');
  return { yesToken, noToken };
}

/**
 * Losses of every answer, and of every other token that follows another. An answer's is its mean over both words, by
 * the chance of each: what many draws of the same text would give.
 * @param {Learner} learner @param {import('./batches.mjs').Batch} batch
 */
function lossesOf({ model, table, ...answerTokens }, { tokens, mixture, lengths, answers, chances, others }) {
  const { device, config } = model;
  const embeddings = matmul(fromHost(device, [tokens.length, config.vocabSize], mixture), table);
  const hidden = model.forward(embeddings, packSequences(device, lengths), Uint32Array.from(tokens.keys()));
  const logitsOf = (/** @type {readonly number[]} */ rows) => model.logits(embedding(hidden, Uint32Array.from(rows)));
  // Without its ranking term eq. 5 counts both words' cross entropies, and takes chances for labels.
  const loss = /** @type {const} */ ({ kind: 'eq5', k: 0, bprOn: 'probability', ...answerTokens });
  const { losses } = yesNoLoss(logitsOf(answers), Float32Array.from(chances), loss, 0.5 / answers.length);
  const targets = Uint32Array.from(others, (row) => tokens[row + 1] ?? 0);
  return [scale(losses, 0.5), crossEntropy(logitsOf(others), targets, 1 / others.length)];
}

/** @param {readonly import('@crossgate/tensor').Tensor[]} losses */
const readMeans = (losses) => Promise.all(losses.map(async (loss) => mean(await loss.read())));

/**
 * Mean loss of the answers, without an update.
 * @param {Learner} learner @param {readonly import('./batches.mjs').Batch[]} batches
 */
async function answerLoss(learner, batches) {
  const means = [];
  for (const batch of batches) {
    using _ = learner.model.device.step();
    means.push((await readMeans(lossesOf(learner, batch)))[0] ?? Number.NaN);
  }
  return mean(means);
}
