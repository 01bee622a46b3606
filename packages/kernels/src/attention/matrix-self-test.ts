// Whether a GPU's matrix units compute attention as its other units do.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { faultOf } from '../self-test';
import { attention, attentionBackward } from './attention';
import { type AttentionPlan, planAttention } from './plan';

/** Two sequences, more than a block and ragged. */
const [tokens, secondStart] = [97, 70];
const [heads, keyValueHeads] = [2, 1];

/** What attention gives, and its values for each token and head dimension. */
const results = ['out', 'logSumExp', 'gradQuery', 'gradKey', 'gradValue'] as const;

/** Eighths of small whole numbers: exact in f16. */
const values = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed) % 17) - 8) / 8);

/** Share of a result's largest value by which others may differ: weights are rounded to 11 bits, a wrong row shows. */
const tolerance = 1 / 256;

/**
 * Computes attention and its gradients for heads of a size, by matrix units and without. Before results depend on
 * these units, ask: as {@link checkMatrixUnits} does of products, and with its promises.
 *
 * @param plan for tests. Default: what {@link planAttention} chooses for f16; where that has no matrix units, nothing is
 * computed.
 * @returns what is wrong, in words that end a sentence; null where all is right.
 * @throws DeviceLostError where the device does not survive it.
 */
export async function checkMatrixAttention(
  device: Device,
  headDim: number,
  plan: AttentionPlan = planAttention(shapeOf(headDim, 'f16'), device.capabilities),
): Promise<string | null> {
  const tile = plan.forward;
  if (!('unitM' in tile)) return null;
  // So few tokens are planned with a workgroup for each query head; steps of many let one walk those of a group.
  const walking = { ...plan, backwardKey: { ...plan.backwardKey, members: heads / keyValueHeads } };
  const record = () => [
    ...compute(device, headDim, plan),
    ...compute(device, headDim, planAttention(shapeOf(headDim, 'f32'), device.capabilities)),
    ...compute(device, headDim, walking),
    ...compute(device, headDim, plan, 70_000),
  ];
  const units = `units of ${tile.unitM}x${tile.unitN}x${tile.unitK} and heads of ${headDim}`;
  return faultOf(device, record, (all) => {
    for (const [index, name] of results.entries()) {
      const [matrix, plain, walked, overflowing] = [0, 1, 2, 3].map((run) => all[run * results.length + index]!);
      const wrong = firstDifference(matrix!, plain!) ?? firstDifference(walked!, plain!);
      if (wrong) return `compute attention wrongly: ${units} gave ${wrong} in ${name}`;
      const finite = name.startsWith('grad') && overflowing!.slice(-headDim).find(Number.isFinite);
      if (typeof finite === 'number')
        return `compute attention wrongly: ${units} gave ${finite} where f16 overflows in ${name}`;
    }
    return null;
  });
}

function shapeOf(headDim: number, precision: 'f32' | 'f16') {
  return { tokens, heads, keyValueHeads, headDim, scale: 1 / Math.sqrt(headDim), precision };
}

/** Records attention and its gradients; the output's of the last token are all `last`, where it is given. */
function compute(device: Device, headDim: number, plan: AttentionPlan, last?: number): readonly BufferSlice[] {
  const upload = (array: Float32Array | Uint32Array) => {
    const slice = device.memory.allocate(array.byteLength);
    device.recorder.write(slice, array);
    return slice;
  };
  const [wide, narrow] = [tokens * heads * headDim, tokens * keyValueHeads * headDim];
  const gradient = values(wide, 11);
  if (last !== undefined) gradient.fill(last, wide - heads * headDim);
  const empty = (count: number) => device.memory.allocate(4 * count);
  const given = {
    ...{ query: upload(values(wide, 1)), key: upload(values(narrow, 5)), value: upload(values(narrow, 3)) },
    offsets: upload(Uint32Array.of(0, secondStart, tokens)),
    sequenceOfToken: upload(Uint32Array.from({ length: tokens }, (_, i) => Number(i >= secondStart))),
  };
  const made = {
    ...{ out: empty(wide), logSumExp: empty(tokens * heads) },
    ...{ gradQuery: empty(wide), gradKey: empty(narrow), gradValue: empty(narrow) },
  };
  const args = { ...given, ...made, ...shapeOf(headDim, 'f32'), plan };
  attention(device, args);
  attentionBackward(device, { ...args, gradOut: upload(gradient) });
  return results.map((name) => made[name]);
}

/** The first value that is far from what it should be, in words; null where there is none. */
function firstDifference(actual: Float32Array, expected: Float32Array): string | null {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const at = actual.findIndex((value, i) => !(Math.abs(value - expected[i]!) <= tolerance * largest));
  return at < 0 ? null : `${actual[at]} in place of ${expected[at]} at ${at}`;
}
