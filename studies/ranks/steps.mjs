// One rank: steps of MF and LightGCN on generated clicks, and of LoRA on a language model. main.mjs starts it.
import { CfTrainer, LightGcn, MatrixFactorization } from '@crossgate/cf';
import { shareOf } from '@crossgate/collective';
import { openDevice } from '@crossgate/gpu/node';
import {
  configFromHuggingFace,
  expectedTensors,
  LlamaModel,
  LoraAdapters,
  lastTokens,
  packSequences,
  weightsInMemory,
} from '@crossgate/llm';
import { Adam, GradientReduction, RandomStream, Tape, yesNoLoss } from '@crossgate/tensor';
import { collective, end, startClock } from './rank.mjs';
import { names } from './tables.mjs';

/** @typedef {import('./tables.mjs').Steps} Steps */

const device = await openDevice();
const steps = [
  await cfSteps(names.mf, (sizes) => MatrixFactorization.create(device, sizes)),
  await cfSteps(names.lightGcn, (sizes, graph) => LightGcn.create(device, { ...sizes, layers: 2, graph })),
  ...(await languageModelSteps()),
];
const adapter = device.capabilities.name;
await device.destroy();
await end({ adapter, steps });

/** @param {number} row @param {number} salt */
function random(row, salt) {
  return Math.imul(Math.imul(row + 1, 0x9e3779b1) ^ salt, 0x85ebca6b) >>> 8;
}

/**
 * Epochs of a model on clicks of as many users and items as MovieLens-1M has; a figure is the mean of the steps of one.
 * @param {string} name
 * @param {(sizes: any, graph: any) => MatrixFactorization | LightGcn} create
 * @returns {Promise<Steps>}
 */
async function cfSteps(name, create) {
  const [users, items, batchSize, stepsPerEpoch, epochs] = [6040, 3706, 8192, 8, 3];
  /** @param {number} rows @param {number} salt */
  const columns = (rows, salt) => ({
    rows,
    user: Int32Array.from({ length: rows }, (_, row) => 1 + (random(row, salt) % users)),
    item: Int32Array.from({ length: rows }, (_, row) => 1 + (random(row, salt + 1) % items)),
    label: Uint8Array.from({ length: rows }, (_, row) => random(row, salt + 2) % 2),
  });
  const data = { train: columns(stepsPerEpoch * batchSize, 1), valid: columns(16, 9) };
  /** @param {number} count */
  const seen = (count) => Uint8Array.from({ length: count + 1 }, (_, id) => (id > 0 ? 1 : 0));
  const sizes = { userSeen: seen(users), itemSeen: seen(items), cfDim: 64, initStd: 0.1, seed: 1 };
  const settings = {
    learningRate: 1e-3,
    weightDecay: 0,
    batchSize,
    epochs: 99,
    patience: 99,
    warmupEpochs: 0,
    seed: 1,
  };
  const model = create(sizes, data.train);
  const trainer = new CfTrainer(model, data, { ...settings, criterion: 'last', collective });
  await trainer.runEpoch(); // Compiles the kernels.
  /** @type {Steps} */
  const found = { model: name, whole: [], sums: [], processor: [] };
  for (let epoch = 0; epoch < epochs; epoch++) {
    const sums = trainer.communicationSeconds;
    const stop = startClock();
    await trainer.runEpoch();
    const { whole, processor } = stop();
    found.whole.push(whole / stepsPerEpoch);
    found.sums.push((1000 * (trainer.communicationSeconds - sums)) / stepsPerEpoch);
    found.processor.push(processor / stepsPerEpoch);
  }
  trainer.release();
  model.release();
  return found;
}

/**
 * LoRA on a small language model of random weights: its 17 MB of gradients become final layer by layer. Several ranks also
 * take steps that sum after the backward pass, by turns with the others.
 * @returns {Promise<Steps[]>}
 */
async function languageModelSteps() {
  const [tokens, rounds] = [32, 5];
  const shape = { hidden_size: 256, intermediate_size: 512, num_hidden_layers: 16, num_attention_heads: 8 };
  const config = configFromHuggingFace(
    {
      ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', tie_word_embeddings: true },
      ...{ ...shape, num_key_value_heads: 8, vocab_size: 512, max_position_embeddings: 256, rms_norm_eps: 1e-5 },
      ...{ rope_theta: 10_000, bos_token_id: 1, eos_token_id: 2 },
    },
    'the language model of this study',
  );
  const stream = new RandomStream(1, 'ranks');
  const weights = [...expectedTensors(config)].map(([name, shape]) => {
    const size = shape.reduce((product, length) => product * length, 1);
    const scale = Math.sqrt(3 / (shape.at(-1) ?? 1));
    const value = shape.length === 1 ? () => 1 : () => scale * (2 * stream.uniform() - 1);
    return /** @type {const} */ ([name, { shape, data: Float32Array.from({ length: size }, value) }]);
  });
  const base = await LlamaModel.load(device, weightsInMemory(config, new Map(weights)));
  const lora = { rank: 128, alpha: 128, dropout: 0, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj'] };
  const adapters = new LoraAdapters(device, config, lora, stream);
  const model = base.with({ adapters });
  const { group } = adapters;
  group.trainable = true;
  const optimizer = new Adam([group], { kind: 'adamw', learningRate: 1e-4, clipNorm: 1 });
  const reduction = new GradientReduction([group], collective);
  const loss = /** @type {const} */ ({ kind: 'eq5', k: 1, bprOn: 'probability', yesToken: 3, noToken: 4 });
  /**
   * @param {number} prompts of all ranks together
   * @param {boolean} overlaps false: sums after the backward pass, as if all gradients became final at its end
   */
  const step = async (prompts, overlaps) => {
    const share = shareOf(prompts, collective);
    const lengths = new Array(share.end - share.start).fill(tokens);
    const ids = Uint32Array.from({ length: tokens * lengths.length }, (_, i) => 5 + (random(i, share.start) % 500));
    const labels = Float32Array.from(lengths, (_, i) => i % 2);
    await collective.barrier();
    const sums = reduction.seconds;
    const stop = startClock();
    const work = device.step();
    group.zeroGradients();
    const tape = new Tape();
    tape.record(() => {
      const batch = packSequences(device, lengths);
      const hidden = model.forward(model.embed(ids), batch, lastTokens(batch));
      return yesNoLoss(model.logits(hidden), labels, loss, 1 / prompts);
    });
    if (!overlaps) tape.backward();
    await reduction.backward(tape);
    optimizer.step();
    work.end();
    await device.recorder.synchronize();
    await collective.barrier();
    return { ...stop(), sums: 1000 * (reduction.seconds - sums) };
  };
  const kinds = [
    { model: names.few, prompts: 4, overlaps: true },
    { model: names.many, prompts: 16, overlaps: true },
    ...(collective.size > 1 ? [{ model: names.afterwards, prompts: 4, overlaps: false }] : []),
  ];
  // Compiles the kernels, and agrees on the order of pieces.
  for (const { prompts, overlaps } of kinds) await step(prompts, overlaps);
  const found = kinds.map(({ model }) => /** @type {Steps} */ ({ model, whole: [], sums: [], processor: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [kind, { prompts, overlaps }] of kinds.entries()) {
      const { whole, sums, processor } = await step(prompts, overlaps);
      found[kind]?.whole.push(whole);
      found[kind]?.sums.push(sums);
      found[kind]?.processor.push(processor);
    }
  }
  optimizer.release();
  adapters.release();
  base.release();
  return found;
}
