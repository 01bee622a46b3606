// Steps of LoRA on the demo's language model, each on another batch, with recorded and with replayed steps.
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel, LoraAdapters, lastTokens, packSequences } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';
import { Adam, RandomStream, StepPrograms, Tape, uploadIndices, uploadTo, yesNoLoss } from '@crossgate/tensor';
import { printHead, timed, turns } from './turns.mjs';

const [prompts, seed] = [4, 1];
const lossOptions = /** @type {const} */ ({ kind: 'eq5', k: 1, bprOn: 'probability', yesToken: 3, noToken: 4 });

/** A training on batches of `tokens` tokens in four prompts, which divide them in another way in every batch. */
async function openTraining(/** @type {number} */ tokens) {
  const device = await openDevice();
  const opened = await openModel(fileURLToPath(new URL('../../assets/demo-llm', import.meta.url)));
  const base = await LlamaModel.load(device, opened.source);
  await opened.close();
  const lora = { rank: 8, alpha: 16, dropout: 0.05, targets: ['q_proj', 'v_proj'] };
  const adapters = new LoraAdapters(device, base.config, lora, new RandomStream(seed, 'lora'));
  const model = base.with({ adapters });
  const { group } = adapters;
  group.trainable = true;
  const optimizer = new Adam([group], { kind: 'adamw', learningRate: 1e-4, clipNorm: 1 });
  const counter = { value: 0 };
  const random = new RandomStream(seed, 'batches');
  const below = (/** @type {number} */ bound) => Math.floor(bound * random.uniform());

  /** Uploads another batch. */
  const nextBatch = (upload = uploadTo(device)) => {
    const most = tokens / prompts;
    const lengths = Array.from({ length: prompts - 1 }, () => most - below(most / 2));
    lengths.push(tokens - lengths.reduce((sum, length) => sum + length, 0));
    const batch = packSequences(device, lengths, 0, upload);
    const ids = Uint32Array.from({ length: tokens }, () => below(base.config.vocabSize));
    return {
      batch,
      ids: { indices: upload([tokens], ids), segments: null },
      answers: uploadIndices(upload, lastTokens(batch)),
      labels: upload(
        [prompts],
        Float32Array.from({ length: prompts }, () => below(2)),
      ),
    };
  };
  /** @param {() => ReturnType<typeof nextBatch>} batchOf */
  const step = (batchOf) => {
    const open = device.step();
    counter.value++;
    group.zeroGradients();
    const tape = new Tape();
    const losses = tape.record(() => {
      const { batch, ids, answers, labels } = batchOf();
      const hidden = model.forward(model.embed(ids), batch, answers, { seed, counter });
      return yesNoLoss(model.logits(hidden), labels, lossOptions, 1 / prompts).losses;
    });
    tape.backward();
    optimizer.step();
    open.end();
    return losses;
  };
  const programs = new StepPrograms(device);
  const replay = () =>
    programs.run(
      '',
      nextBatch,
      (batch) => step(() => batch),
      (program) => {
        optimizer.replayStep(program);
        counter.value++;
      },
    );
  return { device, record: () => step(nextBatch), replay, close: () => device.destroy() };
}

/** Steps whose losses are read one step late, as trainers do. */
async function run(/** @type {number} */ steps, /** @type {() => import('@crossgate/tensor').Tensor} */ step) {
  let sum = 0;
  /** @type {Promise<Float32Array>} */
  let pending = Promise.resolve(new Float32Array(0));
  for (let i = 0; i <= steps; i++) {
    const before = pending;
    if (i < steps) pending = step().read();
    for (const loss of await before) sum += loss;
  }
  return sum / steps / prompts;
}

/** Prints a table of a hundred steps. */
export async function llm(rounds = 7) {
  printHead('100 steps of the demo model');
  for (const tokens of [32, 128, 384]) {
    const { record, replay, close } = await openTraining(tokens);
    for (const step of [record, replay]) await run(20, step);
    await turns(`4 prompts of ${tokens} tokens in all`, rounds, {
      recorded: () => timed(() => run(100, record)),
      replayed: () => timed(() => run(100, replay)),
    });
    await close();
  }
}

/** Takes steps and prints what the process and the device hold after each tenth of them. */
export async function memory(steps = 10_000) {
  const { device, replay, close } = await openTraining(64);
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  const mebibytes = (/** @type {number} */ bytes) => (bytes / 2 ** 20).toFixed(2);
  process.stdout.write('| steps | mean loss | device, MiB | heap, MiB | process, MiB | bind groups made |\n');
  process.stdout.write('|---|---|---|---|---|---|\n');
  const say = (/** @type {number} */ done, /** @type {number} */ loss) => {
    collectGarbage();
    const { heapUsed, rss } = process.memoryUsage();
    const cells = [
      mebibytes(device.report().total),
      mebibytes(heapUsed),
      mebibytes(rss),
      device.recorder.bindGroupCount,
    ];
    process.stdout.write(`| ${[done, loss.toFixed(4), ...cells].join(' | ')} |\n`);
  };
  say(20, await run(20, replay));
  for (let done = 0; done < steps; done += steps / 10) say(done + steps / 10, await run(steps / 10, replay));
  await close();
}
