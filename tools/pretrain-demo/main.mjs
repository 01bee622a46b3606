// Pretrains the demo's language model on generated text with this project's own engine, and writes it as a Hugging Face
// folder with its loss curve.
//
//   npm run example -- tools/pretrain-demo/main.mjs [--out assets/demo-llm] [--seed 1] [--phase 3 --from FOLDER]
//
// Takes three quarters of an hour on two cores through software Vulkan. --phase begins with a later phase, on weights that the
// earlier ones have written: phases share nothing else.
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
    seed: { type: 'string', default: '1' },
    phase: { type: 'string', default: '1' },
    from: { type: 'string' },
  },
});
const seed = Number(values.seed);
const phase = Number(values.phase);
const fail = (/** @type {string} */ message) => {
  process.stderr.write(`${message}\n`);
  process.exit(2);
};
if (!Number.isInteger(seed) || seed < 0) fail('--seed must be a whole number from 0');
if (!settings.phases[phase - 1]) fail(`--phase must be a whole number from 1 to ${settings.phases.length}`);
if (phase > 1 !== (values.from !== undefined)) fail('--phase and --from go together');
const phases = settings.phases.slice(phase - 1);

const { tokenizer: tokenizerJson, settings: tokenizerConfig, vocabSize } = makeTokenizer();
const tokenizer = createTokenizer({ source: 'demo tokenizer', json: tokenizerJson, config: tokenizerConfig });
const json = makeConfig(vocabSize);
const steps = phases.reduce((sum, { steps }) => sum + steps, 0);
const first = values.from === undefined ? null : await weightsOf(values.from);
const device = await openDevice();
const adapter = device.capabilities.name;
const { weights, curve } = await pretrain(device, {
  json,
  tokenizer,
  seed,
  phases,
  first,
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
write('pretraining.json', { seed, adapter, settings: { ...settings, phases }, curve }, 1);

/** @param {string} folder @returns {Promise<import('@crossgate/tensor').HostState>} */
async function weightsOf(folder) {
  const { source, close } = await openModel(folder);
  /** @type {import('@crossgate/tensor').HostState} */
  const state = new Map();
  for (const [name, { shape }] of source.tensors) state.set(name, { shape, data: await source.readAll(name) });
  await close();
  return state;
}
