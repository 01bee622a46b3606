// The page of predictions, made from them alone.
import { assumptions } from './model.mjs';

/** @typedef {ReturnType<typeof import('./model.mjs').predict>} StepPrediction */
/**
 * Measured milliseconds of a step: what `crossgate-bench training --step` prints.
 * @typedef {{ name: string, precision: string, ms: number, inRowMs: number, hostMs: number,
 *   kernels: { name: string, dispatches: number, ms: number }[] | null }} MeasuredStep
 */

/**
 * Three digits, as a plain number where it is no tiny one.
 * @param {number} value
 */
function short(value) {
  if (value === 0) return '–';
  if (value < 0.01) return value.toExponential(1);
  return value >= 100 ? Math.round(value).toString() : value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

/** @param {readonly (readonly string[])[]} rows the first one titles; a title with a unit or a count stands at the right */
function table([titles = [], ...rows]) {
  const words = new Set(['', 'step', 'kernel', 'limited by', 'assumption', 'what it is']);
  const lines = [titles, titles.map((title) => (words.has(title) ? '---' : '---:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** @param {readonly StepPrediction[]} steps */
export function stepsTable(steps) {
  return table([
    [
      'step',
      'dispatches',
      'TFLOP',
      'GB bound',
      'memory, GiB',
      'roofline, ms',
      'GPU, ms',
      'host, ms',
      'step, ms',
      'tokens/s',
    ],
    ...steps.map((step) => [
      `${step.name}: ${step.shape}`,
      `${step.dispatches}`,
      ...[step.tflop, step.gb, step.memory.peak / 2 ** 30, step.rooflineMs, step.gpuMs, step.hostMs, step.stepMs].map(
        short,
      ),
      `${Math.round(step.tokensPerSecond)}`,
    ]),
  ]);
}

/** @param {StepPrediction} step */
export function kernelsTable({ kernels }) {
  return table([
    ['kernel', 'dispatches', 'workgroups, most', 'TFLOP', 'GB bound', 'roofline, ms', 'predicted, ms', 'limited by'],
    ...kernels.map((line) => [
      line.kernel + (line.shape && `, ${line.shape}`),
      `${line.dispatches}`,
      `${line.workgroups}`,
      ...[line.tflop, line.gb, line.rooflineMs, line.predictedMs].map(short),
      line.limit,
    ]),
  ]);
}

export function assumptionsTable() {
  return table([
    ['assumption', 'value', 'what it is'],
    ...Object.entries(assumptions).map(([name, [value, ground]]) => [name, `${value}`, ground]),
  ]);
}

/**
 * A measured step beside its prediction, by kernel.
 * @param {StepPrediction} step
 * @param {MeasuredStep} measured
 */
export function comparisonTable(step, measured) {
  /** @type {Map<string, number>} */
  const predicted = new Map();
  for (const { kernel, predictedMs } of step.kernels) {
    predicted.set(kernel, (predicted.get(kernel) ?? 0) + predictedMs);
  }
  /** @param {string} name @param {number | undefined} expected @param {number} ms */
  const line = (name, expected, ms) => [
    name,
    expected === undefined ? '–' : short(expected),
    short(ms),
    expected === undefined ? '–' : short(ms / expected),
  ];
  return table([
    ['', 'predicted, ms', 'measured, ms', 'measured / predicted'],
    line('step, in a row', step.stepMs, measured.inRowMs),
    line('host', step.hostMs, measured.hostMs),
    ...(measured.kernels ?? []).map(({ name, ms }) => line(name, predicted.get(name), ms)),
  ]);
}

/** @param {StepPrediction} step */
const titleOf = ({ name, precision }) => (precision === 'f32' ? name : `${name} in ${precision}`);

/** The whole page. @param {readonly StepPrediction[]} steps @param {string} gpu */
export function page(steps, gpu) {
  return `# Predicted training steps

Nobody has run these steps on a large GPU yet. This page predicts them for an ${gpu}, so that the first measurement can be
held against it: \`crossgate-bench training --step NAME --precision TYPE --out FILE\` measures, and
\`npm run -s example -- studies/step-predictions/main.mjs --measured FILE\` prints both side by side. Made by the same script
without arguments, from the same command with \`--count --json\`; \`predictions.json\` has every digit.

${stepsTable(steps)}

- **Counted**: dispatches, workgroups, floating-point operations of products and attention, bytes of all arrays that a
  dispatch binds, and memory. The launchers choose as they would on that GPU; nothing runs.
- **Roofline**: the larger of arithmetic and bytes at the rate of the memory or the cache, dispatch by dispatch. Arithmetic is
  at the f32 rate, for products and attention in f16 at that of matrix units. No step of these dispatches can be faster.
- **GPU**: the prediction, by the assumptions below. **Step**: the larger of GPU and host, which work at the same time.

## Assumptions

${assumptionsTable()}

A tiled product takes, slab by slab, the clocks of its multiplications or of its accesses to workgroup memory, whichever are
more ([counted here](../matmul-tiled/README.md)), on the multiprocessor with the most workgroups. So padding and the last,
half-empty wave are in the figures. By their registers, two workgroups of a 128 x 128 tile share a multiprocessor, and at
least three of a 64 x 64 tile. LoRA's update at the end of a product counts as so many more inner positions. Attention's share of the f32 rate is a guess: its kernels spill no
registers ([counted here](../attention-registers/README.md)), and that is all that is known. It falls with the share of
multiprocessors that have a workgroup. Everything else moves its bytes once; where it has few workgroups, latency will take
longer than that, which is not modeled.

A skinny product, of few rows or columns, takes its arithmetic at the rate of multiprocessors with one workgroup, or its bytes,
whichever take longer, both by the share of multiprocessors that have a workgroup. Drawing masks of dropout is not counted.

A product by matrix units takes whole tiles as well. Its share of their rate is a guess too: no GPU has run that kernel.
It is for subgroups that compute 64 x 32 elements each; smaller parts take longer, by how much more of workgroup memory they
read for a product. So is the share of attention by matrix units, which has the same terms as attention without them.

${steps.map((step) => `## ${titleOf(step)}\n\n${step.shape}.\n\n${kernelsTable(step)}`).join('\n\n')}
`;
}
