// One rank of the study: trains on generated clicks, then sums. Rank 0 prints rows of a Markdown table.
import { CfTrainer, LightGcn, MatrixFactorization } from '@crossgate/cf';
import { alone, shareOf } from '@crossgate/collective';
import { launchedRanks, openMpi } from '@crossgate/collective/node';
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

const job = await openMpi();
const collective = (launchedRanks() ?? 1) > 1 ? job : alone;
const { rank, size } = collective;
const print = (/** @type {(string | number)[]} */ ...cells) => {
  if (rank === 0) process.stdout.write(`| ${[size, ...cells].join(' | ')} |\n`);
};

/** A row about steps. @param whole milliseconds of one, of which `sums` pass in sums @param busy of the processor, of rank 0 */
function printStep(
  /** @type {string} */ name,
  /** @type {number} */ whole,
  /** @type {number} */ sums,
  /** @type {number} */ busy,
) {
  print(name, `${whole.toFixed(1)} ms`, `${((100 * sums) / whole).toFixed(0)} %`, `${busy.toFixed(1)} ms`);
}

/** Clicks of as many users and items as MovieLens-1M has. */
const [users, items, rows, batchSize, cfDim] = [6040, 3706, 20 * 8192, 8192, 64];
const random = (/** @type {number} */ row, /** @type {number} */ salt) =>
  Math.imul(Math.imul(row + 1, 0x9e3779b1) ^ salt, 0x85ebca6b) >>> 8;
const columns = (/** @type {number} */ count, /** @type {number} */ salt) => ({
  rows: count,
  user: Int32Array.from({ length: count }, (_, row) => 1 + (random(row, salt) % users)),
  item: Int32Array.from({ length: count }, (_, row) => 1 + (random(row, salt + 1) % items)),
  label: Uint8Array.from({ length: count }, (_, row) => random(row, salt + 2) % 2),
});
const data = { train: columns(rows, 1), valid: columns(16, 9) };
const seen = (/** @type {number} */ count) => Uint8Array.from({ length: count + 1 }, (_, id) => (id > 0 ? 1 : 0));
const sizes = { userSeen: seen(users), itemSeen: seen(items), cfDim, initStd: 0.1, seed: 1 };

const device = await openDevice();
if (rank === 0 && size === 1) process.stdout.write(`${device.capabilities.name}\n`);
const settings = { learningRate: 1e-3, weightDecay: 0, batchSize, epochs: 9, patience: 9, warmupEpochs: 0, seed: 1 };
for (const [name, make] of /** @type {const} */ ([
  ['MF', () => MatrixFactorization.create(device, sizes)],
  ['LightGCN', () => LightGcn.create(device, { ...sizes, layers: 2, graph: data.train })],
])) {
  const model = make();
  const trainer = new CfTrainer(model, data, { ...settings, criterion: 'last', collective });
  await trainer.runEpoch(); // Compiles the kernels.
  const [steps, before] = [trainer.progress.steps, trainer.communicationSeconds];
  const busy = process.cpuUsage();
  const { seconds } = await trainer.runEpoch();
  const used = process.cpuUsage(busy);
  const communication = trainer.communicationSeconds - before;
  const count = trainer.progress.steps - steps;
  printStep(name, (1000 * seconds) / count, (1000 * communication) / count, (used.user + used.system) / 1000 / count);
  trainer.release();
  model.release();
}
await languageModel();
await device.destroy();

/** LoRA on a small language model of random weights: its 17 MB of gradients become final layer by layer. */
async function languageModel() {
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
  const share = shareOf(4, collective);
  const lengths = new Array(share.end - share.start).fill(32);
  const ids = Uint32Array.from({ length: 32 * lengths.length }, (_, i) => 5 + (random(i, rank) % 500));
  /** @param overlaps false sums after the backward pass, as if all gradients became final at its end */
  const step = async (/** @type {boolean} */ overlaps) => {
    const [start, before, busy] = [performance.now(), reduction.seconds, process.cpuUsage()];
    const work = device.step();
    group.zeroGradients();
    const tape = new Tape();
    const record = () => {
      const batch = packSequences(device, lengths);
      const hidden = model.forward(model.embed(ids), batch, lastTokens(batch));
      const labels = Float32Array.from(lengths, (_, i) => i % 2);
      return yesNoLoss(model.logits(hidden), labels, loss, 1 / 4);
    };
    if (lengths.length > 0) tape.record(record);
    if (!overlaps) tape.backward();
    await reduction.backward(tape);
    optimizer.step();
    work.end();
    await device.recorder.synchronize();
    await collective.barrier();
    const { user, system } = process.cpuUsage(busy);
    return [performance.now() - start, 1000 * (reduction.seconds - before), (user + system) / 1000];
  };
  // By turns, so that both see the same load of the machine.
  const kinds = size > 1 ? [true, false] : [true];
  for (let warm = 0; warm < 1; warm++) for (const overlaps of kinds) await step(overlaps);
  const times = kinds.map(() => /** @type {number[][]} */ ([]));
  for (let i = 0; i < 6; i++) for (const [kind, overlaps] of kinds.entries()) times[kind]?.push(await step(overlaps));
  const median = (/** @type {number[]} */ values) => {
    const sorted = values.toSorted((x, y) => x - y);
    const [low = 0, high = 0] = sorted.slice((sorted.length - 1) / 2, sorted.length / 2 + 1);
    return sorted.length % 2 === 0 ? (low + high) / 2 : low;
  };
  for (const [kind, overlaps] of kinds.entries()) {
    const [whole = 0, sums = 0, busy = 0] = [0, 1, 2].map((column) =>
      median((times[kind] ?? []).map((each) => each[column] ?? 0)),
    );
    printStep(`LLM, LoRA${overlaps ? '' : ', summed after the backward pass'}`, whole, sums, busy);
  }
  optimizer.release();
  adapters.release();
  base.release();
}

for (const megabytes of size > 1 ? [1, 4, 16, 64, 256] : []) {
  const speeds = [];
  for (const wire of /** @type {const} */ (['f32', 'f16'])) {
    const values = new Float32Array(megabytes * 2 ** 18).fill(1 / size);
    await collective.allReduce(values, wire);
    const rounds = Math.max(1, Math.min(10, Math.floor(64 / megabytes)));
    await collective.barrier();
    const start = performance.now();
    for (let round = 0; round < rounds; round++) await collective.allReduce(values, wire);
    speeds.push(`${((1000 * rounds * megabytes * 1.048576) / (performance.now() - start)).toFixed(0)} MB/s`);
  }
  print(`sum of ${megabytes} MB`, ...speeds);
}
await job.end(0, async () => {});
process.exit(0);
