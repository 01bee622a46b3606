/** The float64 references of our tests, as a peer that is not timed: they say who is right. */
import * as references from '../../../../../packages/testing/src/index';
import { rowsOf } from '../rows';
import type { HostValues, Library } from './library';

type Inputs = Readonly<Record<string, HostValues>>;
type Settings = Readonly<Record<string, number>>;

const wide = ({ shape, data }: HostValues) => references.reference(shape, data);

/** Attention inputs [sequences, tokens, heads, headDim], as the references take them: packed. */
function packed(inputs: Inputs): references.AttentionInputs {
  const [sequences, length, heads, headDim] = inputs.query!.shape as [number, number, number, number];
  const flat = (name: string) => references.reshape(wide(inputs[name]!), [sequences * length, heads, headDim]);
  const offsets = Array.from({ length: sequences + 1 }, (_, sequence) => sequence * length);
  return { q: flat('query'), k: flat('key'), v: flat('value'), offsets };
}

/** A reference, of which some rows can be computed without the others. */
interface Op {
  /** Inputs whose rows (of the first axis) belong to those of the results. The others are needed whole. */
  readonly byRow: readonly string[];
  /** Multiplications of a row of the results. */
  readonly rowWork: (inputs: Inputs, settings: Settings) => number;
  readonly compute: (inputs: Inputs, settings: Settings) => Record<string, references.Reference>;
}

/** Of a row of an array whose exponentials or sums cost a few multiplications each. */
const perElement = ({ x }: Inputs) => 8 * x!.shape[1]!;

/** Of a sequence: scores and sums over all pairs of tokens. */
const perSequence = ({ query }: Inputs) => {
  const [, length, heads, headDim] = query!.shape as [number, number, number, number];
  return length ** 2 * heads * headDim;
};

const operands = ['query', 'key', 'value'];

const ops: Readonly<Record<string, Op>> = {
  matmul: {
    byRow: ['a'],
    rowWork: ({ b }) => b!.data.length,
    compute: ({ a, b }, { transposeB }) => ({
      out: references.matmul(wide(a!), wide(b!), { transposeB: transposeB === 1 }),
    }),
  },
  softmax: { byRow: ['x'], rowWork: perElement, compute: ({ x }) => ({ out: references.softmax(wide(x!)) }) },
  layerNorm: {
    ...{ byRow: ['x'], rowWork: perElement },
    compute: ({ x, weight, bias }, { epsilon }) => ({
      out: references.layerNorm(wide(x!), wide(weight!), wide(bias!), epsilon),
    }),
  },
  rmsNorm: {
    ...{ byRow: ['x'], rowWork: perElement },
    compute: ({ x, weight }, { epsilon }) => ({ out: references.rmsNorm(wide(x!), wide(weight!), epsilon) }),
  },
  attention: {
    ...{ byRow: operands, rowWork: perSequence },
    compute: (inputs) => ({ out: references.attention(packed(inputs)).output }),
  },
  attentionBackward: {
    ...{ byRow: [...operands, 'gradOut'], rowWork: (inputs) => 4 * perSequence(inputs) },
    compute: (inputs) => {
      const args = packed(inputs);
      const gradient = references.reshape(wide(inputs.gradOut!), args.q.shape);
      const { q, k, v } = references.attentionBackward(args, gradient);
      return { out: references.attention(args).output, gradQuery: q, gradKey: k, gradValue: v };
    },
  },
};

/** Multiplications of a reference that takes a few seconds: larger ones are computed for a sample of their rows. */
const mostWork = 2 ** 30;

/**
 * Rows of a sample, in order: the first, the last, and one at a seeded random place in each of as many equal parts as fit.
 * Faults of tiles and edges are in many rows, and those of the last tile in the last one.
 */
export function sampleRows(rows: number, most: number): readonly number[] {
  const parts = Math.max(0, Math.floor(most) - 2);
  const places = references.randomUniform([parts], 1).data;
  const within = Array.from(places, (place, part) => Math.floor(((part + place) * rows) / parts));
  return [...new Set([0, ...within, rows - 1])];
}

/** The reference of a case, whole or of a sample of its rows. @param most multiplications */
export function computeReference(
  op: string,
  settings: Settings,
  inputs: Inputs,
  most = mostWork,
): Record<string, HostValues> {
  const { byRow, rowWork, compute } = ops[op]!;
  const rows = inputs[byRow[0]!]!.shape[0]!;
  const affordable = most / rowWork(inputs, settings);
  const sample = affordable < rows ? sampleRows(rows, affordable) : undefined;
  const chosen = Object.entries(inputs).map(([name, array]) => {
    if (!sample || !byRow.includes(name)) return [name, array] as const;
    return [name, { shape: [sample.length, ...array.shape.slice(1)], data: rowsOf(array, sample) }] as const;
  });
  return Object.fromEntries(
    Object.entries(compute(Object.fromEntries(chosen), settings)).map(([name, { shape, data }]) => [
      name,
      { shape, data: Float64Array.from(data), ...(sample && { rows: sample }) },
    ]),
  );
}

export function openFloat64(): Promise<Library> {
  const library: Library = {
    ...{ version: process.version, device: 'float64', ops: Object.keys(ops) },
    prepare: (op, settings, inputs) => {
      const results = async () => computeReference(op, settings, inputs);
      const time = () => Promise.reject(new Error('references are not timed'));
      return Promise.resolve({ ways: new Map([['float64', { results, time }]]), release: () => {} });
    },
  };
  return Promise.resolve(library);
}
