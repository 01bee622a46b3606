// The training loop of the demo's language model: next tokens, answers counted by themselves.
import { LlamaModel, packSequences } from '@crossgate/llm';
import {
  Adam,
  add,
  crossEntropy,
  embedding,
  fromHost,
  learningRateAt,
  multiply,
  RandomStream,
  readGroup,
  Tape,
} from '@crossgate/tensor';
import { batchMaker } from './batches.mjs';
import { makeFirstSteps, makeList, makePreferences, makeTold } from './corpus.mjs';
import { makeParameters } from './model.mjs';

/**
 * How it is trained; kept beside the weights. Phases go from what is easy to what is asked for: the model finds out how to
 * compare two words when a text has nothing but two, and hardly ever when it begins with whole titles. Each has its own
 * learning rate schedule, optimizer state, and number of texts of each kind in a batch.
 */
export const settings = {
  phases: [
    { steps: 900, firstSteps: 14, lists: 4, told: 0, preferences: 0 },
    { steps: 700, firstSteps: 4, lists: 1, told: 12, preferences: 0 },
    { steps: 1200, firstSteps: 1, lists: 1, told: 5, preferences: 14 },
    { steps: 1400, firstSteps: 1, lists: 1, told: 9, preferences: 9 },
  ],
  learningRate: 3e-3,
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
 * @property {number} step of all phases together
 * @property {number} seconds
 * @property {number} answerLoss mean cross entropy of the answers since the last point, nats
 * @property {number} textLoss the same of all other tokens
 * @property {number} [heldOutAnswerLoss] of answers in preference texts of another seed
 */

/** @template T @param {number} count @param {T} value @returns {T[]} */
const repeat = (count, value) => Array.from({ length: count }, () => value);
/** @param {ArrayLike<number>} list */
const mean = (list) => Array.from(list).reduce((sum, value) => sum + value, 0) / list.length;

/**
 * Trains a new model. The same seed on the same adapter gives the same weights.
 *
 * @param {import('@crossgate/gpu').Device} device
 * @param {{ json: ReturnType<typeof import('./model.mjs').makeConfig>, tokenizer: import('@crossgate/llm').Tokenizer,
 *   seed: number, onPoint: (point: Point) => void }} options
 * @returns {Promise<{ weights: import('@crossgate/tensor').HostState, curve: Point[] }>}
 */
export async function pretrain(device, { json, tokenizer, seed, onPoint }) {
  const { config, group, weights } = makeParameters(device, json, seed);
  const model = LlamaModel.over(device, config, weights);
  const makeBatch = batchMaker(tokenizer);
  const heldOut = new RandomStream(seed + 1000, 'held-out corpus');
  const heldOutBatches = Array.from({ length: 8 }, () => makeBatch(heldOut, repeat(20, makePreferences)));
  /** @type {Point[]} */
  const curve = [];
  const begun = performance.now();
  let before = 0;
  for (const phase of settings.phases) {
    const makers = [
      ...repeat(phase.firstSteps, makeFirstSteps),
      ...repeat(phase.lists, makeList),
      ...repeat(phase.told, makeTold),
      ...repeat(phase.preferences, makePreferences),
    ];
    const optimizer = new Adam([group], { kind: 'adamw', ...settings });
    const schedule = { ...settings, schedule: /** @type {const} */ ('cosine'), totalSteps: phase.steps };
    const random = new RandomStream(seed, 'corpus');
    /** One update. @param {number} step from 1 */
    const update = async (step) => {
      using _ = device.step();
      group.zeroGradients();
      const tape = new Tape();
      const losses = tape.record(() => lossesOf(model, makeBatch(random, makers)));
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
        step: before + step,
        seconds: Math.round((performance.now() - begun) / 1000),
        answerLoss: mean(losses.map(([answer]) => answer ?? Number.NaN)),
        textLoss: mean(losses.map(([, text]) => text ?? Number.NaN)),
      };
      if (!Number.isFinite(point.answerLoss + point.textLoss)) {
        throw new Error(`the loss is no number at step ${point.step}`);
      }
      if (step % heldOutEvery === 0 || step === phase.steps) {
        point.heldOutAnswerLoss = await answerLoss(device, model, heldOutBatches);
      }
      curve.push(point);
      onPoint(point);
    }
    optimizer.release();
    before += phase.steps;
  }
  const state = await readGroup(group);
  model.release();
  group.release();
  return { weights: state, curve };
}

/**
 * Losses of every answer, and of every other token that follows another.
 * @param {LlamaModel} model @param {import('./batches.mjs').Batch} batch
 */
function lossesOf(model, { tokens, over, masks, lengths, answers, others }) {
  const { device, config } = model;
  const embeddings = over.reduce((sum, ids, layer) => {
    const mask = masks[layer] ?? new Float32Array(0);
    const shape = /** @type {const} */ ([ids.length, config.hiddenSize]);
    const wide = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => mask[Math.floor(i / shape[1])] ?? 0);
    return add(sum, multiply(model.embed(ids), fromHost(device, [...shape], wide)));
  }, model.embed(tokens));
  const hidden = model.forward(embeddings, packSequences(device, lengths), Uint32Array.from(tokens.keys()));
  return [answers, others].map((rows) => {
    const chosen = Uint32Array.from(rows);
    const targets = chosen.map((row) => tokens[row + 1] ?? 0);
    return crossEntropy(model.logits(embedding(hidden, chosen)), targets, 1 / chosen.length);
  });
}

/** @param {readonly import('@crossgate/tensor').Tensor[]} losses */
const readMeans = (losses) => Promise.all(losses.map(async (loss) => mean(await loss.read())));

/**
 * Mean loss of the answers, without an update.
 * @param {import('@crossgate/gpu').Device} device @param {LlamaModel} model
 * @param {readonly import('./batches.mjs').Batch[]} batches
 */
async function answerLoss(device, model, batches) {
  const losses = [];
  for (const batch of batches) {
    using _ = device.step();
    losses.push((await readMeans(lossesOf(model, batch)))[0] ?? Number.NaN);
  }
  return mean(losses);
}
