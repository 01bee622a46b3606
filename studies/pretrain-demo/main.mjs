// Pretrains the demo's language model on generated text with this project's own engine, and writes it as a Hugging Face
// folder with its loss curve.
//
//   npm run example -- studies/pretrain-demo/main.mjs [--out assets/demo-llm] [--seed 1] [--from FOLDER]
//
// Takes about an hour on two cores through software Vulkan, and writes over what --out holds. Weights are written after
// every phase; --from goes on after the last phase of a folder: phases share nothing but weights.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeAtomic } from '@crossgate/files';
import { openDevice } from '@crossgate/gpu/node';
import { createTokenizer } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';
import { drawRun } from '@crossgate/report';
import { encodeState } from '@crossgate/tensor';
import { makeConfig } from './model.mjs';
import { makeTokenizer } from './tokenizer.mjs';
import { pretrain, settings } from './training.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'assets/demo-llm' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string' },
  },
});
const seed = Number(values.seed);
const fail = (/** @type {string} */ message) => {
  process.stderr.write(`${message}\n`);
  process.exit(2);
};
if (!Number.isInteger(seed) || seed < 0) fail('--seed must be a whole number from 0');

const { tokenizer: tokenizerJson, settings: tokenizerConfig, vocabSize } = makeTokenizer();
const tokenizer = createTokenizer({ source: 'demo tokenizer', json: tokenizerJson, config: tokenizerConfig });
const json = makeConfig(vocabSize);
const device = await openDevice();
const adapter = device.capabilities.name;
/** @type {Awaited<ReturnType<typeof readFolder>>} */
const nothing = { weights: null, phases: 0, curve: [] };
const earlier = values.from === undefined ? nothing : await readFolder(values.from);
let { weights } = earlier;
const { curve } = earlier;
mkdirSync(values.out, { recursive: true });
for (const [index, phase] of settings.phases.entries()) {
  if (index < earlier.phases) continue;
  const of = `phase ${index + 1} of ${settings.phases.length}`;
  weights = await pretrain(device, {
    json,
    tokenizer,
    seed,
    phase,
    first: weights,
    onPoint(point) {
      const { step, seconds, answerLoss, textLoss, heldOutAnswerLoss } = point;
      curve.push({ phase: index + 1, ...point });
      const left = Math.round(((phase.steps - step) * seconds) / step);
      const held = heldOutAnswerLoss === undefined ? '' : `, held-out answers ${heldOutAnswerLoss.toFixed(3)}`;
      const losses = `answers ${answerLoss.toFixed(3)}, text ${textLoss.toFixed(3)}${held}`;
      const rate = (step / seconds).toFixed(1);
      process.stderr.write(`${of}, ${step}/${phase.steps} steps, ${rate} steps/s, ${left} s left: ${losses}\n`);
    },
  });
  // After every phase, so that a run that was cut off goes on from here.
  await writeAtomic(join(values.out, 'model.safetensors'), encodeState(weights));
  write('config.json', json);
  write('tokenizer.json', tokenizerJson, 0);
  write('tokenizer_config.json', tokenizerConfig);
  write('pretraining.json', { seed, adapter, phases: index + 1, settings, curve }, 1);
  const records = curve.map(({ phase, step, answerLoss }) => ({ phase: `phase ${phase}`, step, loss: answerLoss }));
  writeFileSync(join(values.out, 'pretraining.svg'), await drawRun('demo-llm', records));
}
device.destroy();

/** @param {string} name @param {unknown} value */
function write(name, value, indent = 2) {
  writeFileSync(join(values.out, name), `${JSON.stringify(value, null, indent)}\n`);
}

/**
 * What earlier phases have written.
 * @param {string} folder
 * @returns {Promise<{ weights: import('@crossgate/tensor').HostState | null, phases: number, curve:
 *   (import('./training.mjs').Point & { phase: number })[] }>}
 */
async function readFolder(folder) {
  const { source, close } = await openModel(folder);
  /** @type {import('@crossgate/tensor').HostState} */
  const weights = new Map();
  for (const [name, { shape }] of source.tensors) weights.set(name, { shape, data: await source.readAll(name) });
  await close();
  return { weights, ...JSON.parse(readFileSync(join(folder, 'pretraining.json'), 'utf8')) };
}
