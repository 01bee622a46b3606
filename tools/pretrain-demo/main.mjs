// Pretrains the demo's language model on generated text with this project's own engine, and writes it as a Hugging Face
// folder with its loss curve.
//
//   npm run example -- tools/pretrain-demo/main.mjs [--out assets/demo-llm] [--steps 2500] [--seed 1]
//
// Takes 20 minutes on two cores through software Vulkan.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDevice } from '@crossgate/gpu/node';
import { createTokenizer } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';
import { encodeState } from '@crossgate/tensor';
import { writeFileAtomic } from '@crossgate/tensor/node';
import { makeConfig } from './model.mjs';
import { makeTokenizer } from './tokenizer.mjs';
import { pretrain, settings } from './training.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'assets/demo-llm' },
    steps: { type: 'string', default: '2500' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string' },
  },
});
const [steps, seed] = [Number(values.steps), Number(values.seed)];
if (!Number.isInteger(steps) || steps < 1 || !Number.isInteger(seed) || seed < 0) {
  process.stderr.write('--steps must be a whole number from 1, --seed one from 0\n');
  process.exit(2);
}

const { tokenizer: tokenizerJson, settings: tokenizerConfig, vocabSize } = makeTokenizer();
const tokenizer = createTokenizer({ source: 'demo tokenizer', json: tokenizerJson, config: tokenizerConfig });
const json = makeConfig(vocabSize);
/** @type {import('@crossgate/tensor').HostState} */
const first = new Map();
if (values.from !== undefined) {
  const { source, close } = await openModel(values.from);
  for (const [name, { shape }] of source.tensors) first.set(name, { shape, data: await source.readAll(name) });
  await close();
}
const device = await openDevice();
const adapter = device.capabilities.name;
const { weights, curve } = await pretrain(device, {
  json,
  tokenizer,
  first: values.from === undefined ? undefined : first,
  seed,
  steps,
  onPoint({ step, seconds, answerLoss, textLoss, heldOutAnswerLoss }) {
    const left = Math.round(((steps - step) * seconds) / step);
    const held = heldOutAnswerLoss === undefined ? '' : `, held-out answers ${heldOutAnswerLoss.toFixed(3)}`;
    const losses = `answers ${answerLoss.toFixed(3)}, text ${textLoss.toFixed(3)}${held}`;
    process.stderr.write(`${step}/${steps} steps, ${(step / seconds).toFixed(1)} steps/s, ${left} s left: ${losses}\n`);
  },
});
device.destroy();

mkdirSync(values.out, { recursive: true });
const write = (/** @type {string} */ name, /** @type {unknown} */ value, indent = 2) =>
  writeFileSync(join(values.out, name), `${JSON.stringify(value, null, indent)}\n`);
await writeFileAtomic(join(values.out, 'model.safetensors'), encodeState(weights));
write('config.json', json);
write('tokenizer.json', tokenizerJson, 0);
write('tokenizer_config.json', tokenizerConfig);
write('pretraining.json', { seed, steps, adapter, settings, curve }, 1);
