// Predicts training steps on an NVIDIA H100 from what they would dispatch there, kernel by kernel, without a GPU:
//   npm run -s example -- studies/step-predictions/main.mjs [--out docs/results/engine-predicted]
// Writes predictions.json and README.md. Takes a minute. With a measurement of `crossgate-bench training --step`, prints it
// beside its prediction instead:
//   npm run -s example -- studies/step-predictions/main.mjs --measured step.json
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { assumptions, predict } from './model.mjs';
import { comparisonTable, page } from './tables.mjs';

const { values } = parseArgs({
  options: { out: { type: 'string', default: 'docs/results/engine-predicted' }, measured: { type: 'string' } },
});
const root = join(import.meta.dirname, '..', '..');
const steps = [
  ...['7b', 'smollm2'].flatMap((name) => ['f32', 'f16'].map((precision) => ({ name, precision }))),
  { name: 'inferena', precision: 'f32' },
];

/**
 * @param {{ name: string, precision: string }} step
 * @returns {import('./model.mjs').CountReport & { gpu: string }}
 */
function count({ name, precision }) {
  const program = join(root, 'apps', 'bench', 'dist', 'main.js');
  const args = [program, 'training', '--step', name, '--precision', precision, '--count', '--json'];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`crossgate-bench ${args.slice(1).join(' ')} ended with ${status}`);
  return JSON.parse(stdout);
}

if (values.measured !== undefined) {
  /** @type {{ adapter: { name: string }, results: import('./tables.mjs').MeasuredStep[] }} */
  const { adapter, results } = JSON.parse(readFileSync(values.measured, 'utf8'));
  for (const measured of results) {
    const name = measured.name.replace(/ step$/, '');
    const { precision } = measured;
    const counted = count({ name, precision });
    console.log(`${name} in ${precision}: predicted for ${counted.gpu}, measured on ${adapter.name}\n`);
    console.log(comparisonTable(predict(counted), measured));
  }
} else {
  const counts = steps.map(count);
  const predictions = counts.map(predict);
  const gpu = counts[0]?.gpu ?? '';
  const document = { gpu, assumptions, steps: predictions };
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, 'predictions.json'), `${JSON.stringify(document, null, 1)}\n`);
  writeFileSync(join(values.out, 'README.md'), page(predictions, gpu));
  for (const { name, precision, gpuMs, hostMs } of predictions)
    console.log(`${name} in ${precision}: GPU ${gpuMs.toFixed(1)} ms, host ${hostMs.toFixed(1)} ms`);
}
