// Every operation refuses an operand of another dtype than its own, and so do the tape, the state and the uploads.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DType, PackedSequences, Shape, Tensor } from '../src';
import * as tensor from '../src';
import * as ops from '../src/ops';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** An operation with all its operands by the names that its messages give them. */
interface Row {
  readonly operands: Readonly<Record<string, readonly [DType, Shape]>>;
  /** Calls the operation with tensors from the table alone, so that none is left out of the test. */
  readonly call: (operands: Record<string, Tensor>) => unknown;
}

const dropout = { probability: 0.5, seed: 1, stream: 2, counter: 3 };
const answer = { kind: 'eq5', k: 1, bprOn: 'logit', yesToken: 0, noToken: 1 } as const;
const heads = { heads: 2, keyValueHeads: 1, headDim: 4 };
const matrix = [3, 4] as const;

const unary = (call: (x: Tensor) => unknown): Row => ({ operands: { x: ['f32', matrix] }, call: ({ x }) => call(x!) });
const pair = (first: string, second: string, call: (a: Tensor, b: Tensor) => unknown): Row => ({
  operands: { [first]: ['f32', matrix], [second]: ['f32', matrix] },
  call: (operands) => call(operands[first]!, operands[second]!),
});

/** Three tokens of two sequences. */
const sequences = ({ offsets, sequenceOfToken, positions }: Record<string, Tensor>): PackedSequences => ({
  // An operation is given the tensors that it reads; the type asks for all of them.
  ...({ offsets, sequenceOfToken, positions } as Record<'offsets' | 'sequenceOfToken' | 'positions', Tensor>),
  tokens: 3,
});
const packed = { offsets: ['u32', [3]], sequenceOfToken: ['u32', [3]] } as const;

const rows: Record<string, Row> = {
  add: pair('a', 'b', ops.add),
  argmax: unary(ops.argmax),
  attention: {
    operands: { query: ['f32', [3, 8]], key: ['f32', [3, 4]], value: ['f32', [3, 4]], ...packed },
    call: (t) => ops.attention(t.query!, t.key!, t.value!, sequences(t), heads),
  },
  attentionCached: {
    operands: {
      query: ['f32', [3, 8]],
      key: ['f32', [3, 4]],
      value: ['f32', [3, 4]],
      'cached key': ['f32', [2, 4]],
      'cached value': ['f32', [2, 4]],
      ...packed,
    },
    call: (t) => {
      const cached = { key: t['cached key']!, value: t['cached value']!, length: 2 };
      return ops.attentionCached(t.query!, t.key!, t.value!, sequences(t), cached, heads);
    },
  },
  bceWithLogits: {
    operands: { logits: ['f32', [3]], labels: ['f32', [3]] },
    call: ({ logits, labels }) => ops.bceWithLogits(logits!, labels!, 1),
  },
  concatRows: pair('a', 'b', ops.concatRows),
  crossEntropy: {
    operands: { logits: ['f32', matrix], targets: ['u32', [3]] },
    call: ({ logits, targets }) => ops.crossEntropy(logits!, targets!, 1),
  },
  dropout: unary((x) => ops.dropout(x, dropout)),
  embedding: {
    operands: {
      table: ['f32', matrix],
      indices: ['u32', [2]],
      'segments.offsets': ['u32', [3]],
      'segments.positions': ['u32', [2]],
      'segments.targets': ['u32', [2]],
    },
    call: (t) => {
      const [offsets, positions] = [t['segments.offsets']!, t['segments.positions']!];
      const segments = { offsets, positions, targets: t['segments.targets']!, segments: 2 };
      return ops.embedding(t.table!, { indices: t.indices!, segments });
    },
  },
  gatedFusion: {
    operands: {
      tokenEmbeddings: ['f32', [5, 4]],
      aligned: ['f32', [2, 4]],
      gateCf: ['f32', [2, 1]],
      gateText: ['f32', [3, 1]],
    },
    call: ({ tokenEmbeddings, aligned, gateCf, gateText }) =>
      ops.gatedFusion(
        { tokenEmbeddings: tokenEmbeddings!, aligned: aligned!, gateCf, gateText, activation: 'tanh' },
        { tokenIds: Int32Array.of(0), cfRows: Int32Array.of(1), textRows: Int32Array.of(2) },
      ),
  },
  layerNorm: {
    operands: { x: ['f32', matrix], weight: ['f32', [4]], bias: ['f32', [4]] },
    call: ({ x, weight, bias }) => ops.layerNorm(x!, weight!, bias!, 1e-5),
  },
  linear: {
    operands: { x: ['f32', matrix], weight: ['f32', [2, 4]], bias: ['f32', [2]] },
    call: ({ x, weight, bias }) => ops.linear(x!, weight!, bias),
  },
  loraLinear: {
    operands: {
      x: ['f32', matrix],
      weight: ['f32', [5, 4]],
      a: ['f32', [2, 4]],
      b: ['f32', [5, 2]],
      bias: ['f32', [5]],
    },
    call: ({ x, weight, a, b, bias }) => ops.loraLinear(x!, weight!, { a: a!, b: b!, scale: 1, dropout }, bias),
  },
  matmul: pair('a', 'b', (a, b) => ops.matmul(a, b, { transposeB: true })),
  multiply: pair('a', 'b', ops.multiply),
  relu: unary(ops.relu),
  rmsNorm: {
    operands: { x: ['f32', matrix], weight: ['f32', [4]] },
    call: ({ x, weight }) => ops.rmsNorm(x!, weight!, 1e-5),
  },
  addRmsNorm: {
    operands: { x: ['f32', matrix], y: ['f32', matrix], weight: ['f32', [4]] },
    call: ({ x, y, weight }) => ops.addRmsNorm(x!, y!, weight!, 1e-5),
  },
  rope: {
    operands: { query: ['f32', [3, 8]], key: ['f32', [3, 4]], positions: ['u32', [3]], table: ['f32', [6, 4]] },
    call: (t) => {
      const shape = { heads: 2, keyValueHeads: 1, headDim: 4, table: t.table! };
      return ops.rope(t.query!, t.key!, sequences(t), shape);
    },
  },
  rowDot: pair('a', 'b', ops.rowDot),
  scale: unary((x) => ops.scale(x, 2)),
  sigmoid: unary(ops.sigmoid),
  silu: unary(ops.silu),
  sparseMatmul: unary((x) => {
    const entries = { row: [0, 1], column: [2, 0], weight: [1, 2] };
    const sparse = ops.SparseMatrix.create(device, 2, 3, entries);
    try {
      return ops.sparseMatmul(sparse, x);
    } finally {
      sparse.release();
    }
  }),
  subtract: pair('a', 'b', ops.subtract),
  sum: unary(ops.sum),
  swiglu: pair('gate', 'up', ops.swiglu),
  tanh: unary(ops.tanh),
  yesNoLoss: {
    operands: { logits: ['f32', matrix] },
    call: ({ logits }) => ops.yesNoLoss(logits!, Float32Array.of(0, 1, 1), answer, 1),
  },
};

/** Exports that read no values of a tensor, so that any dtype will do or none is handed in. */
const readNone = [
  'indexCount',
  'reshape',
  'ropeFrequencies',
  'ropeTable',
  'ropeTableOf',
  'SparseMatrix',
  'uploadIndices',
  'uploadSegments',
];

const dtypes: readonly DType[] = ['f32', 'u32', 'i32'];
/** Small values, so that each is also a valid row number of the tables above. */
const make = (dtype: DType, shape: Shape): Tensor => {
  const Values = { f32: Float32Array, u32: Uint32Array, i32: Int32Array }[dtype];
  const values = Array.from({ length: tensor.shapeSize(shape) }, (_, i) => i % 2);
  return tensor.fromHost(device, shape, new Values(values));
};

/** The error of a call that must fail. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('operations', () => {
  it('each have a row in the table', () => {
    const exported = Object.entries(ops).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
    expect([...Object.keys(rows), ...readNone].sort()).toEqual(exported.sort());
  });

  it.each(Object.entries(rows))(
    '%s takes its own dtypes and refuses others by name',
    (operation, { operands, call }) => {
      using _ = device.step();
      const good = Object.fromEntries(Object.entries(operands).map(([name, [...as]]) => [name, make(...as)]));
      expect(errorOf(() => call(good))).toBeUndefined();
      for (const [name, [dtype, shape]] of Object.entries(operands)) {
        for (const wrong of dtypes.filter((other) => other !== dtype)) {
          const error = errorOf(() => call({ ...good, [name]: make(wrong, shape) }));
          expect(error).toBeInstanceOf(InputError);
          expect(String(error)).toContain(`${operation}: ${name} has dtype ${wrong}, expected ${dtype}`);
        }
      }
    },
  );

  it('refuse operands on the host whose arrays are of another class', () => {
    using _ = device.step();
    const ids = { tokenIds: Int32Array.of(0), cfRows: Int32Array.of(0), textRows: Int32Array.of(-1) };
    const [tokenEmbeddings, aligned] = [make('f32', [5, 4]), make('f32', [2, 4])];
    const fuse = (positions: object) =>
      ops.gatedFusion({ tokenEmbeddings, aligned, activation: 'none' }, positions as ops.FusionPositions);
    expect(errorOf(() => fuse(ids))).toBeUndefined();
    for (const name of Object.keys(ids)) {
      expect(() => fuse({ ...ids, [name]: Uint32Array.of(0) })).toThrow(`${name} has dtype u32, expected i32`);
      expect(() => fuse({ ...ids, [name]: Int32Array.of(0, 0) })).toThrow(/gatedFusion: .* has shape/);
    }
    const integers = Uint32Array.of(0, 1, 1) as unknown as Float32Array;
    const words = 'labels has dtype u32, expected f32';
    expect(() => ops.yesNoLoss(make('f32', matrix), integers, answer, 1)).toThrow(`yesNoLoss: ${words}`);
    expect(() => ops.bceWithLogits(make('f32', [3]), integers, 1)).toThrow(`bceWithLogits: ${words}`);
    const floats = Float32Array.of(0, 1, 1) as unknown as Uint32Array;
    expect(() => ops.crossEntropy(make('f32', matrix), floats, 1)).toThrow('targets has dtype f32, expected u32');
  });

  it('take frozen weights in fewer bits where they take f32', () => {
    using _ = device.step();
    const half = tensor.persistentHalf(device, [2, 4], false, 'test');
    try {
      expect(ops.linear(make('f32', matrix), half).shape).toEqual([3, 2]);
      expect(() => ops.linear(make('u32', matrix), half)).toThrow('linear: x has dtype u32, expected f32');
    } finally {
      tensor.releaseWeight(half);
    }
  });
});

describe('the tape', () => {
  it('refuses seeds that are no f32 tensors of the shape of their result', () => {
    using _ = device.step();
    const x = make('f32', [3]);
    x.requiresGrad = true;
    for (const [seed, words] of [
      [make('u32', [3]), 'backward: a gradient has dtype u32, expected f32'],
      [make('f32', [4]), 'backward: a gradient has shape [4], expected [3]'],
    ] as const) {
      const tape = new tensor.Tape();
      const y = tape.record(() => ops.relu(x));
      expect(() => tape.backward([[y, seed]])).toThrow(words);
      expect(tape.length).toBe(0);
    }
  });

  it('refuses gradients that an operation makes in another dtype or shape', () => {
    using _ = device.step();
    const x = make('f32', [3]);
    x.requiresGrad = true;
    for (const [gradient, words] of [
      [make('i32', [3]), 'double: a gradient has dtype i32, expected f32'],
      [make('f32', [1, 3]), 'double: a gradient has shape [1, 3], expected [3]'],
    ] as const) {
      const tape = new tensor.Tape();
      const y = make('f32', [3]);
      tape.record(() => tensor.record('double', [x], [y], [], (_gradients, into) => into.give(x, gradient)));
      expect(() => tape.backward([[y, make('f32', [3])]])).toThrow(words);
    }
  });

  it('records no result of integers, from an operation or a checkpoint', () => {
    using _ = device.step();
    const x = make('f32', matrix);
    x.requiresGrad = true;
    const words = (name: string) => `${name}: a result that gradients flow to has dtype u32, expected f32`;
    const tape = new tensor.Tape();
    expect(() => tape.record(() => tensor.record('count', [x], [make('u32', [3])], [], () => {}))).toThrow(
      words('count'),
    );
    expect(() => tape.record(() => tensor.checkpoint(device, [x], ops.argmax))).toThrow(words('checkpoint'));
    expect(tape.length).toBe(0);
  });
});

describe('values on the host', () => {
  const doubles = Float64Array.of(1, 2, 3) as unknown as Float32Array;

  it('become a tensor of their own dtype, and are refused where there is none', () => {
    using _ = device.step();
    expect(dtypes.map((dtype) => make(dtype, [2]).dtype)).toEqual(dtypes);
    const words = 'values is of type Float64Array, expected Float32Array, Uint32Array or Int32Array';
    expect(() => tensor.fromHost(device, [3], doubles)).toThrow(`fromHost: ${words}`);
    const before = device.memory.report().total;
    expect(() => tensor.persistent(device, [3], 'test', doubles)).toThrow(`persistent: ${words}`);
    expect(() => tensor.persistent(device, [3], 'test', Float32Array.of(1))).toThrow(/1 values do not fill/);
    expect(device.memory.report().total).toBe(before);
  });

  it('are floats in parameters and in a state that is written to them', () => {
    const spec = (values: Float32Array) => [{ name: 'bias', shape: [3], values }];
    expect(() => new tensor.ParameterGroup(device, 'test', spec(doubles))).toThrow(
      'parameter bias: values is of type Float64Array, expected Float32Array',
    );
    const group = new tensor.ParameterGroup(device, 'test', spec(new Float32Array(3)));
    const state = new Map([['bias', { shape: [3], data: Int32Array.of(1, 2, 3) as unknown as Float32Array }]]);
    expect(() => tensor.writeGroup(group, state, 'a.safetensors')).toThrow(
      'a.safetensors: the data of "bias" is of type Int32Array, expected Float32Array',
    );
    group.release();
  });

  it('are read by the method for their dtype', async () => {
    using _ = device.step();
    await expect(make('f32', [2]).readIntegers()).rejects.toThrow('this tensor is f32, use read()');
    await expect(make('i32', [2]).read()).rejects.toThrow('this tensor is i32, use readIntegers()');
    expect(await make('u32', [2]).readIntegers()).toEqual(Uint32Array.of(0, 1));
    expect(await make('i32', [2]).readIntegers()).toEqual(Int32Array.of(0, 1));
  });
});
