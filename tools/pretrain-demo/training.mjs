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
  writeGroup,
} from '@crossgate/tensor';
import { batchMaker } from './batches.mjs';
import { makeList, makePreferences, makeWords } from './corpus.mjs';
import { makeParameters } from './model.mjs';

/** How it is trained; kept beside the weights. */
export const settings = {
  /** Texts of each kind in a batch. */
  preferences: 20,
  words: 4,
  lists: 2,
  learningRate: 2e-3,
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
 * @property {number} step
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
 *   first?: import('@crossgate/tensor').HostState | undefined, seed: number, steps: number, onPoint: (point: Point) => void }} options
 * @returns {Promise<{ weights: import('@crossgate/tensor').HostState, curve: Point[] }>}
 */
export async function pretrain(device, { json, tokenizer, first, seed, steps, onPoint }) {
  const { config, group, weights } = makeParameters(device, json, seed);
  if (first) writeGroup(group, first, 'the first weights');
  const { hiddenSize } = config;
  const model = LlamaModel.over(device, config, weights);
  const optimizer = new Adam([group], { kind: 'adamw', ...settings });
  const schedule = { ...settings, schedule: /** @type {const} */ ('cosine'), totalSteps: steps };

  /**
   * Mean losses of the answers and of the other tokens; with a learning rate, one update.
   * @param {import('./batches.mjs').Batch} batch @param {number | null} learningRate
   */
  const run = ({ tokens, over, masks, lengths, answers, others }, learningRate) => {
    using _ = device.step();
    group.zeroGradients();
    const forward = () => {
      const packed = packSequences(device, lengths);
      const embeddings = over.reduce((sum, ids, layer) => {
        const mask = masks[layer] ?? new Float32Array(0);
        const wide = Float32Array.from(
          { length: ids.length * hiddenSize },
          (_, i) => mask[Math.floor(i / hiddenSize)] ?? 0,
        );
        return add(sum, multiply(model.embed(ids), fromHost(device, [ids.length, hiddenSize], wide)));
      }, model.embed(tokens));
      const hidden = model.forward(embeddings, packed, Uint32Array.from(tokens.keys()));
      return [answers, others].map((rows) => {
        const chosen = Uint32Array.from(rows);
        const targets = chosen.map((row) => tokens[row + 1] ?? 0);
        return crossEntropy(model.logits(embedding(hidden, chosen)), targets, 1 / chosen.length);
      });
    };
    const tape = new Tape();
    const losses = learningRate === null ? forward() : tape.record(forward);
    if (learningRate !== null) {
      tape.backward();
      optimizer.step(learningRate);
    }
    return Promise.all(losses.map(async (loss) => mean(await loss.read())));
  };

  const makeBatch = batchMaker(tokenizer);
  const { preferences, words, lists } = settings;
  const mixture = [...repeat(preferences, makePreferences), ...repeat(words, makeWords), ...repeat(lists, makeList)];
  const heldOut = new RandomStream(seed + 1000, 'held-out corpus');
  const heldOutBatches = Array.from({ length: 8 }, () => makeBatch(heldOut, repeat(20, makePreferences)));
  const random = new RandomStream(seed, 'corpus');
  /** @type {Point[]} */
  const curve = [];
  const begun = performance.now();
  /** Losses since the last point. @type {Promise<number[]>[]} */
  let recent = [];
  for (let step = 1; step <= steps; step++) {
    recent.push(run(makeBatch(random, mixture), learningRateAt(step - 1, schedule)));
    await recent.at(-2); // One step stays under way while the next is recorded.
    if (step % pointEvery !== 0 && step !== steps) continue;
    const losses = await Promise.all(recent);
    recent = [];
    const answerLoss = mean(losses.map(([answer]) => answer ?? Number.NaN));
    const textLoss = mean(losses.map(([, text]) => text ?? Number.NaN));
    if (!Number.isFinite(answerLoss + textLoss)) throw new Error(`the loss is no number at step ${step}`);
    /** @type {Point} */
    const point = { step, seconds: Math.round((performance.now() - begun) / 1000), answerLoss, textLoss };
    if (step % heldOutEvery === 0 || step === steps) {
      const answers = [];
      for (const batch of heldOutBatches) answers.push((await run(batch, null))[0] ?? Number.NaN);
      point.heldOutAnswerLoss = mean(answers);
    }
    curve.push(point);
    onPoint(point);
  }
  const state = await readGroup(group);
  optimizer.release();
  model.release();
  group.release();
  return { weights: state, curve };
}
