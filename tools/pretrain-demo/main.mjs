// Pretrains the demo's language model on generated text with this project's own engine, and writes it as a Hugging Face
// folder with its loss curve.
//
//   npm run example -- tools/pretrain-demo/main.mjs [--out assets/demo-llm] [--seed 1]
//
// Takes half an hour on two cores through software Vulkan.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDevice } from '@crossgate/gpu/node';
import { createTokenizer } from '@crossgate/llm';
import { encodeState } from '@crossgate/tensor';
import { writeFileAtomic } from '@crossgate/tensor/node';
import { makeConfig } from './model.mjs';
import { makeTokenizer } from './tokenizer.mjs';
import { pretrain, settings } from './training.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'assets/demo-llm' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(values.seed);
if (!Number.isInteger(seed) || seed < 0) {
  process.stderr.write('--seed must be a whole number from 0\n');
  process.exit(2);
}

const { tokenizer: tokenizerJson, settings: tokenizerConfig, vocabSize } = makeTokenizer();
const tokenizer = createTokenizer({ source: 'demo tokenizer', json: tokenizerJson, config: tokenizerConfig });
const json = makeConfig(vocabSize);
const steps = settings.phases.reduce((sum, phase) => sum + phase.steps, 0);
const device = await openDevice();
const adapter = device.capabilities.name;
const { weights, curve } = await pretrain(device, {
  json,
  tokenizer,
  seed,
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
write('pretraining.json', { seed, adapter, settings, curve }, 1);
