// Every differentiable operation against its float64 reference, for parameters and for intermediate tensors.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import * as reference from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PackedSequences, Tensor } from '../src';
import * as ops from '../src';
import { runGradients, tensorOf } from './harness';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const { randomNormal } = reference;
type Reference = reference.Reference;

/** Operation, inputs, the same operation in float64, and its closed-form gradients for an upstream gradient. */
interface Case {
  readonly name: string;
  readonly inputs: Reference[];
  readonly body: (...inputs: Tensor[]) => Tensor;
  readonly forward: (...inputs: Reference[]) => Reference;
  readonly backward: (gradient: Reference, ...inputs: Reference[]) => Reference[];
  /** The backward reads no f32 value of the forward pass, or its sign alone. */
  readonly readsNothing?: boolean;
}

const joined = (a: Reference, b: Reference, join: (x: number, y: number) => number): Reference => ({
  shape: a.shape,
  data: a.data.map((value, i) => join(value, b.data[i]!)),
});
const plus = (a: Reference, b: Reference) => joined(a, b, (x, y) => x + y);
const times = (a: Reference, b: Reference) => joined(a, b, (x, y) => x * y);
const tanhOf = (x: Reference): Reference => ({ shape: x.shape, data: x.data.map(Math.tanh) });
const allOnes: Reference = { shape: [20], data: new Float64Array(20).fill(1) };

const rows = 7;
const indices = Uint32Array.of(3, 0, 3, 9, 1, 3, 0);
const cases: Case[] = [
  {
    name: 'linear',
    inputs: [randomNormal([rows, 12], 1), randomNormal([5, 12], 2), randomNormal([5], 3)],
    body: (x, w, b) => ops.linear(x!, w!, b),
    forward: (x, w, b) => reference.linear(x!, w!, b),
    backward: (g, x, w) => {
      const { input, weight, bias } = reference.linearBackward(x!, w!, g);
      return [input, weight, bias];
    },
  },
  ...([false, true] as const).flatMap((transposeA) =>
    ([false, true] as const).map(
      (transposeB): Case => ({
        name: `matmul${transposeA ? ' Aᵀ' : ''}${transposeB ? ' Bᵀ' : ''}`,
        inputs: [randomNormal(transposeA ? [6, 9] : [9, 6], 4), randomNormal(transposeB ? [11, 6] : [6, 11], 5)],
        body: (a, b) => ops.matmul(a!, b!, { transposeA, transposeB }),
        forward: (a, b) => reference.matmul(a!, b!, { transposeA, transposeB }),
        backward: (g, a, b) => [
          transposeA
            ? reference.matmul(b!, g, { transposeA: transposeB, transposeB: true })
            : reference.matmul(g, b!, { transposeA: false, transposeB: !transposeB }),
          transposeB
            ? reference.matmul(g, a!, { transposeA: true, transposeB: transposeA })
            : reference.matmul(a!, g, { transposeA: !transposeA, transposeB: false }),
        ],
      }),
    ),
  ),
  {
    name: 'add',
    readsNothing: true,
    inputs: [randomNormal([rows, 9], 6), randomNormal([rows, 9], 7)],
    body: (a, b) => ops.add(a!, b!),
    forward: (a, b) => reference.add(a!, b!),
    backward: (g) => [g, g],
  },
  {
    name: 'subtract',
    readsNothing: true,
    inputs: [randomNormal([rows, 9], 8), randomNormal([rows, 9], 9)],
    body: (a, b) => ops.subtract(a!, b!),
    forward: (a, b) => reference.subtract(a!, b!),
    backward: (g) => [g, reference.scale(g, -1)],
  },
  {
    name: 'multiply',
    inputs: [randomNormal([rows, 9], 10), randomNormal([rows, 9], 11)],
    body: (a, b) => ops.multiply(a!, b!),
    forward: (a, b) => reference.multiply(a!, b!),
    backward: (g, a, b) => [reference.multiply(g, b!), reference.multiply(g, a!)],
  },
  {
    name: 'scale',
    readsNothing: true,
    inputs: [randomNormal([rows, 9], 12)],
    body: (x) => ops.scale(x!, -2.5),
    forward: (x) => reference.scale(x!, -2.5),
    backward: (g) => [reference.scale(g, -2.5)],
  },
  ...(
    [
      ['relu', ops.relu, reference.relu],
      ['sigmoid', ops.sigmoid, reference.sigmoid],
      ['tanh', ops.tanh, reference.tanh],
      ['silu', ops.silu, reference.silu],
    ] as const
  ).map(
    ([name, ours, theirs]): Case => ({
      name,
      inputs: [randomNormal([rows, 9], 13)],
      body: (x) => ours(x!),
      forward: (x) => theirs(x!),
      backward: (g, x) => [reference.activateBackward(name, x!, g)],
      ...(name === 'relu' && { readsNothing: true }),
    }),
  ),
  {
    name: 'rmsNorm',
    inputs: [randomNormal([rows, 20], 14), randomNormal([20], 15)],
    body: (x, w) => ops.rmsNorm(x!, w!, 1e-5),
    forward: (x, w) => reference.rmsNorm(x!, w!, 1e-5),
    backward: (g, x, w) => {
      const { input, weight } = reference.rmsNormBackward(x!, w!, g, 1e-5);
      return [input, weight];
    },
  },
  {
    name: 'addRmsNorm',
    inputs: [randomNormal([rows, 20], 54), randomNormal([rows, 20], 55), randomNormal([20], 56)],
    body: (x, y, w) => {
      const [sum, out] = ops.addRmsNorm(x!, y!, w!, 1e-5);
      return ops.multiply(ops.tanh(sum), out);
    },
    forward: (x, y, w) => {
      const total = plus(x!, y!);
      return times(tanhOf(total), reference.rmsNorm(total, w!, 1e-5));
    },
    backward: (g, x, y, w) => {
      const total = plus(x!, y!);
      const gradOut = times(g, tanhOf(total));
      const { input, weight } = reference.rmsNormBackward(total, w!, gradOut, 1e-5);
      const gradTanh = times(g, reference.rmsNorm(total, w!, 1e-5));
      const both = plus(input, reference.activateBackward('tanh', total, gradTanh));
      return [both, both, weight];
    },
  },
  {
    name: 'addRmsNorm, only the norm used',
    inputs: [randomNormal([rows, 20], 54), randomNormal([rows, 20], 55)],
    body: (x, y) => ops.addRmsNorm(x!, y!, tensorOf(device, allOnes), 1e-5)[1],
    forward: (x, y) => reference.rmsNorm(plus(x!, y!), allOnes, 1e-5),
    backward: (g, x, y) => {
      const { input } = reference.rmsNormBackward(plus(x!, y!), allOnes, g, 1e-5);
      return [input, input];
    },
  },
  {
    name: 'layerNorm',
    inputs: [randomNormal([rows, 20], 44), randomNormal([20], 45), randomNormal([20], 46)],
    body: (x, w, b) => ops.layerNorm(x!, w!, b!, 1e-5),
    forward: (x, w, b) => reference.layerNorm(x!, w!, b!, 1e-5),
    backward: (g, x, w) => {
      const { input, weight, bias } = reference.layerNormBackward(x!, w!, g, 1e-5);
      return [input, weight, bias];
    },
  },
  {
    name: 'swiglu',
    inputs: [randomNormal([rows, 9], 16), randomNormal([rows, 9], 17)],
    body: (gate, up) => ops.swiglu(gate!, up!),
    forward: (gate, up) => reference.swiglu(gate!, up!),
    backward: (g, a, b) => {
      const { gate, up } = reference.swigluBackward(a!, b!, g);
      return [gate, up];
    },
  },
  {
    name: 'embedding',
    readsNothing: true,
    inputs: [randomNormal([11, 8], 18)],
    body: (table) => ops.embedding(table!, indices),
    forward: (table) => reference.gatherRows(table!, Int32Array.from(indices)),
    backward: (g) => [reference.scatterAddRows(g, Int32Array.from(indices), 11)],
  },
  {
    name: 'embedding with rows that are none',
    readsNothing: true,
    inputs: [randomNormal([11, 8], 47)],
    body: (table) => ops.embedding(table!, Uint32Array.of(3, ops.noRow, 10, 3)),
    forward: (table) => reference.gatherRows(table!, [3, -1, 10, 3]),
    backward: (g) => [reference.scatterAddRows(g, [3, -1, 10, 3], 11)],
  },
  {
    name: 'rowDot',
    inputs: [randomNormal([rows, 10], 19), randomNormal([rows, 10], 20)],
    body: (a, b) => ops.rowDot(a!, b!),
    forward: (a, b) => reference.rowDot(a!, b!),
    backward: (g, a, b) => {
      const { a: gradA, b: gradB } = reference.rowDotBackward(a!, b!, g);
      return [gradA, gradB];
    },
  },
  {
    name: 'concatRows',
    readsNothing: true,
    inputs: [randomNormal([3, 5], 21), randomNormal([4, 5], 22)],
    body: (a, b) => ops.concatRows(a!, b!),
    forward: (a, b) => reference.reference([7, 5], [...a!.data, ...b!.data]),
    backward: (g) => [reference.reference([3, 5], g.data.slice(0, 15)), reference.reference([4, 5], g.data.slice(15))],
  },
  {
    name: 'loraLinear',
    inputs: [
      randomNormal([rows, 12], 23),
      randomNormal([5, 12], 24),
      randomNormal([3, 12], 25),
      randomNormal([5, 3], 26),
    ],
    body: (x, w, a, b) => ops.loraLinear(x!, w!, { a: a!, b: b!, scale: 2 }),
    forward: (x, w, a, b) =>
      reference.add(reference.linear(x!, w!), reference.scale(reference.linear(reference.linear(x!, a!), b!), 2)),
    backward: (g, x, w, a, b) => {
      const base = reference.linearBackward(x!, w!, g);
      const hidden = reference.linear(x!, a!);
      const upper = reference.linearBackward(hidden, b!, reference.scale(g, 2));
      const lower = reference.linearBackward(x!, a!, upper.input);
      return [reference.add(base.input, lower.input), base.weight, lower.weight, upper.weight];
    },
  },
];

describe.each(cases)('$name', ({ name, inputs, body, forward, backward, readsNothing = false }) => {
  it.each([
    ['parameters', true],
    ['intermediate tensors', false],
  ])('matches float64 with %s', async (_, asParameters) => {
    const run = await runGradients(device, inputs, body, asParameters);
    reference.expectClose(run.output, forward(...inputs).data, { relative: 2e-5, absolute: 2e-6, label: name });
    backward(run.weight, ...inputs).forEach((expected, i) => {
      reference.expectClose(run.gradients[i]!, expected.data, {
        relative: 5e-5,
        absolute: 1e-5,
        label: `${name}: gradient of input ${i}`,
      });
    });
  });

  it('keeps what it saves in f16 where the tape says so', async () => {
    const run = await runGradients(device, inputs, body, false, { activations: 'f16' });
    const exact = await runGradients(device, inputs, body, false);
    expect(run.output).toEqual(exact.output);
    const same = run.gradients.every((gradient, i) => gradient.every((v, j) => v === exact.gradients[i]![j]));
    const found = `with f16, the gradients of "${name}" ${same ? 'keep their bits' : 'change'}`;
    expect(same, `${found}: is readsNothing of its case right?`).toBe(readsNothing);
    backward(run.weight, ...inputs).forEach((expected, i) => {
      const label = `${name}: gradient of input ${i}`;
      const largest = Math.max(...expected.data.map(Math.abs));
      reference.expectClose(run.gradients[i]!, expected.data, { relative: 2e-3, absolute: 1e-3 * largest, label });
    });
  });
});

describe.each([8, 4] as const)('a quantized weight of %i bits', (bits) => {
  const [outputs, inputs] = [9, 44];
  const words = reference.randomQuantized(outputs, inputs, bits, 5);
  const weight = reference.dequantized(words);
  const x = randomNormal([rows, inputs], 61);

  /** The weight on the device, for the time of `body`. */
  async function withWeight<T>(body: (weight: ops.QuantizedWeight) => Promise<T>): Promise<T> {
    const quantized = ops.persistentQuantized(device, [outputs, inputs], bits, 'weights');
    device.recorder.write(quantized.quants, words.quants);
    device.recorder.write(quantized.scales!, words.scales);
    try {
      return await body(quantized);
    } finally {
      ops.releaseWeight(quantized);
      expect(device.report().persistent.weights).toBeUndefined();
    }
  }

  it('gives the output and the gradients of what it stands for, in linear', async () => {
    const bias = randomNormal([outputs], 62);
    const run = await withWeight((w) => runGradients(device, [x, bias], (a, b) => ops.linear(a!, w, b), false));
    const tolerance = { relative: 2e-5, absolute: 1e-5, label: 'linear' };
    reference.expectClose(run.output, reference.linear(x, weight, bias).data, tolerance);
    const expected = reference.linearBackward(x, weight, run.weight);
    reference.expectClose(run.gradients[0]!, expected.input.data, tolerance);
    reference.expectClose(run.gradients[1]!, expected.bias.data, tolerance);
    const upstream = (data: ArrayLike<number>) =>
      reference.innerProduct(run.weight, reference.linear(reference.reference(x.shape, data), weight, bias));
    reference.checkGradient({ value: upstream, gradient: run.gradients[0]!, at: x.data, ...tolerance });
  });

  it('gives those of what it stands for in loraLinear, with dropout and without', async () => {
    const low = [randomNormal([3, inputs], 63), randomNormal([outputs, 3], 64)];
    for (const probability of [0, 0.3]) {
      const dropout = { probability, seed: 1, stream: 2, counter: 3 };
      const forward = (w: ops.LinearWeight) => (input?: Tensor, a?: Tensor, b?: Tensor) =>
        ops.loraLinear(input!, w, { a: a!, b: b!, scale: 2, dropout });
      const run = await withWeight((w) => runGradients(device, [x, ...low], forward(w), true));
      const table = ops.persistent(device, weight.shape, 'weights', reference.toFloat32(weight));
      const plain = await runGradients(device, [x, ...low], forward(table), true);
      ops.releasePersistent(table);
      reference.expectClose(run.output, plain.output, { relative: 1e-5, absolute: 1e-5, label: 'loraLinear' });
      run.gradients.forEach((gradient, i) => {
        reference.expectClose(gradient, plain.gradients[i]!, {
          relative: 2e-5,
          absolute: 2e-5,
          label: `gradient ${i}`,
        });
      });
    }
  });
});

it('addRmsNorm hands the gradient of its sum on where its norm is not used', async () => {
  const inputs = [randomNormal([rows, 20], 54), randomNormal([rows, 20], 55)];
  const sum = (x?: Tensor, y?: Tensor) => ops.addRmsNorm(x!, y!, tensorOf(device, allOnes), 1e-5)[0];
  const { gradients, weight } = await runGradients(device, inputs, sum, false);
  for (const gradient of gradients) expect(gradient).toEqual(reference.toFloat32(weight));
});

it('rope rotates the gradient of keys alone where queries have none', async () => {
  const [tokens, headDim] = [5, 4];
  const inputs = [randomNormal([tokens, 2 * headDim], 54), randomNormal([tokens, headDim], 55)];
  const positions = Uint32Array.from([0, 1, 2, 0, 1]);
  const table = ops.persistent(device, [8, headDim], 'weights', ops.ropeTable(8, headDim, 10_000));
  const key = (q?: Tensor, k?: Tensor): Tensor => {
    const packed = { offsets: q!, sequenceOfToken: q!, positions: ops.fromHost(device, [tokens], positions), tokens };
    return ops.rope(q!, k!, packed, { heads: 2, keyValueHeads: 1, headDim, table })[1];
  };
  const { gradients, weight } = await runGradients(device, inputs, key, true);
  ops.releasePersistent(table);
  expect(gradients[0]!.every((value) => value === 0)).toBe(true);
  const expected = reference.ropeBackward(reference.reshape(weight, [tokens, 1, headDim]), positions, 10_000);
  reference.expectClose(gradients[1]!, expected, { absolute: 1e-5, label: 'key' });
});

it('rmsNorm adds its gradient to what its input has already', async () => {
  const x = randomNormal([rows, 20], 54);
  // The backward pass comes to the norm last.
  const body = (input?: Tensor) => ops.add(ops.rmsNorm(input!, tensorOf(device, allOnes), 1e-5), ops.scale(input!, 3));
  const { gradients, weight } = await runGradients(device, [x], body, false);
  const { input } = reference.rmsNormBackward(x, allOnes, weight, 1e-5);
  const expected = input.data.map((value, i) => value + 3 * weight.data[i]!);
  reference.expectClose(gradients[0]!, expected, { relative: 1e-5, absolute: 1e-5, label: 'gradient' });
});

it('loraLinear gives the same by kernels for GPUs, which take update and dropout with them', async () => {
  const gpu = await openDevice();
  Object.defineProperty(gpu, 'capabilities', { value: { ...gpu.capabilities, software: false } });
  const inputs = [randomNormal([20, 32], 61), randomNormal([24, 32], 62), randomNormal([8, 32], 63)];
  const dropout = { probability: 0.4, seed: 1, stream: 2, counter: 3, first: 64 };
  const layer = (...[x, w, a, b]: Tensor[]) => ops.loraLinear(x!, w!, { a: a!, b: b!, scale: 2, dropout });
  const run = (on: Device) => runGradients(on, [...inputs, randomNormal([24, 8], 64)], layer, true);
  const [actual, expected] = [await run(gpu), await run(device)];
  const tolerance = { relative: 1e-5, absolute: 1e-4 };
  reference.expectClose(actual.output, expected.output, { ...tolerance, label: 'output' });
  for (const [i, gradient] of actual.gradients.entries()) {
    reference.expectClose(gradient, expected.gradients[i]!, { ...tolerance, label: `gradient ${i}` });
  }
  await gpu.destroy();
});

it.each([0, 0.4])('loraLinear adds its gradient to what its input has already, dropout %s', async (probability) => {
  const [x, w] = [randomNormal([rows, 12], 61), randomNormal([5, 12], 62)];
  const [a, b] = [randomNormal([3, 12], 63), randomNormal([5, 3], 64)];
  const dropout = { probability, seed: 1, stream: 2, counter: 3 };
  const parts = (input?: Tensor, weight?: Tensor, down?: Tensor, up?: Tensor): Tensor => {
    const update = ops.matmul(ops.dropout(input!, dropout), down!, { transposeB: true });
    return ops.add(ops.linear(input!, weight!), ops.scale(ops.matmul(update, up!, { transposeB: true }), 2));
  };
  const whole = (input?: Tensor, weight?: Tensor, down?: Tensor, up?: Tensor) =>
    ops.loraLinear(input!, weight!, { a: down!, b: up!, scale: 2, dropout });
  // The backward pass runs in the other direction, so loraLinear finds a gradient of its input there.
  const run = (layer: typeof parts) =>
    runGradients(device, [x, w, a, b], (...t) => ops.add(layer(...t), ops.linear(t[0]!, t[1]!)), false);
  const [actual, expected] = [await run(whole), await run(parts)];
  const tolerance = { relative: 1e-5, absolute: 1e-5 };
  reference.expectClose(actual.output, expected.output, { ...tolerance, label: 'output' });
  actual.gradients.forEach((gradient, i) => {
    reference.expectClose(gradient, expected.gradients[i]!, { ...tolerance, label: `gradient ${i}` });
  });
});

it.each([false, true])(
  'a weight of 16 bits gives what it stands for and its gradient (bfloat16: %s)',
  async (bfloat) => {
    const { words, values } = reference.randomHalves(9, 43, bfloat, 7);
    const x = randomNormal([rows, 43], 61);
    const low = [randomNormal([3, 43], 63), randomNormal([9, 3], 64)];
    const half = ops.persistentHalf(device, [9, 43], bfloat, 'weights');
    device.recorder.write(half.values, words);
    const plain = ops.persistent(device, values.shape, 'weights', reference.toFloat32(values));
    const forward = (w: ops.LinearWeight) => (input?: Tensor, a?: Tensor, b?: Tensor) =>
      ops.add(ops.linear(input!, w), ops.loraLinear(input!, w, { a: a!, b: b!, scale: 2 }));
    const [actual, expected] = [
      await runGradients(device, [x, ...low], forward(half), true),
      await runGradients(device, [x, ...low], forward(plain), true),
    ];
    ops.releaseWeight(half);
    ops.releaseWeight(plain);
    expect(device.report().persistent.weights).toBeUndefined();
    const tolerance = { relative: 1e-5, absolute: 1e-5 };
    reference.expectClose(actual.output, expected.output, { ...tolerance, label: 'output' });
    actual.gradients.forEach((gradient, i) => {
      reference.expectClose(gradient, expected.gradients[i]!, { ...tolerance, label: `gradient ${i}` });
    });
  },
);

describe('attention with rotary positions', () => {
  const [heads, keyValueHeads, headDim] = [4, 2, 6];
  const offsets = [0, 5, 6, 17];
  const tokens = 17;
  const inputs = [
    randomNormal([tokens, heads * headDim], 31),
    randomNormal([tokens, keyValueHeads * headDim], 32),
    randomNormal([tokens, keyValueHeads * headDim], 33),
  ];
  const positions = reference.packedPositions(offsets);

  function packed(): PackedSequences {
    const sequence = Uint32Array.from({ length: tokens }, (_, t) => offsets.findIndex((end) => t < end) - 1);
    return {
      offsets: ops.fromHost(device, [offsets.length], Uint32Array.from(offsets)),
      sequenceOfToken: ops.fromHost(device, [tokens], sequence),
      positions: ops.fromHost(device, [tokens], Uint32Array.from(positions)),
      tokens,
    };
  }

  it.each([
    ['f32', 1],
    ['f16', 20],
  ] as const)('matches float64 forward and backward, activations in %s', async (activations, looser) => {
    const table = ops.persistent(device, [32, headDim], 'weights', ops.ropeTable(32, headDim, 10000));
    const run = await runGradients(
      device,
      inputs,
      (q, k, v) => {
        const sequences = packed();
        const shape = { heads, keyValueHeads, headDim };
        const [query, key] = ops.rope(q!, k!, sequences, { ...shape, table });
        return ops.attention(query, key, v!, sequences, shape);
      },
      false,
      { activations },
    );
    const split = (x: Reference, h: number) => reference.reshape(x, [tokens, h, headDim]);
    const q = reference.rope(split(inputs[0]!, heads), positions, 10000);
    const k = reference.rope(split(inputs[1]!, keyValueHeads), positions, 10000);
    const v = split(inputs[2]!, keyValueHeads);
    const { output } = reference.attention({ q, k, v, offsets });
    reference.expectClose(run.output, output.data, { relative: 1e-4, absolute: 1e-5, label: 'attention' });
    const gradients = reference.attentionBackward({ q, k, v, offsets }, split(run.weight, heads));
    const expected = [
      reference.ropeBackward(gradients.q, positions, 10000),
      reference.ropeBackward(gradients.k, positions, 10000),
      gradients.v,
    ];
    expected.forEach((gradient, i) => {
      reference.expectClose(run.gradients[i]!, gradient.data, {
        relative: 2e-4 * looser,
        absolute: 2e-5 * looser ** 2,
        label: `attention: gradient ${i}`,
      });
    });
    ops.releasePersistent(table);
  });
});

describe('gatedFusion', () => {
  const d = 6;
  const tokenId = Int32Array.of(4, 2, -1, 2, 0, 4, -1, 1);
  const cfRow = Int32Array.of(-1, 0, 2, 1, 0, 1, 2, -1);
  const textRow = Int32Array.of(-1, 1, -1, 1, 0, 2, -1, -1);

  it.each([
    ['none', d, 'f32'],
    ['sigmoid', d, 'f32'],
    ['tanh', 1, 'f32'],
    ['none', 1, 'f32'],
    ['sigmoid', d, 'f16'],
  ] as const)('matches float64 with activation %s, gate width %i, in %s', async (activation, width, activations) => {
    const tokenEmbeddings = randomNormal([5, d], 41);
    const inputs = [randomNormal([3, d], 42), randomNormal([3, width], 43), randomNormal([3, width], 44)];
    const run = await runGradients(
      device,
      inputs,
      (aligned, gateCf, gateText) =>
        ops.gatedFusion(
          {
            tokenEmbeddings: ops.fromHost(device, [5, d], reference.toFloat32(tokenEmbeddings)),
            aligned: aligned!,
            gateCf,
            gateText,
            activation,
          },
          { tokenIds: tokenId, cfRows: cfRow, textRows: textRow },
        ),
      false,
      { activations },
    );
    const [aligned, gateCf, gateText] = inputs as [Reference, Reference, Reference];
    const args = {
      tokenEmbeddings,
      aligned,
      gateCf,
      gateText,
      tokenId,
      cfRow,
      textRow,
      ...(activation !== 'none' && { activation }),
    };
    reference.expectClose(run.output, reference.gatedFusion(args).data, { label: 'gatedFusion' });
    const expected = reference.gatedFusionBackward(args, run.weight);
    [expected.aligned, expected.gateCf!, expected.gateText!].forEach((gradient, i) => {
      reference.expectClose(run.gradients[i]!, gradient.data, {
        relative: activations === 'f32' ? 5e-5 : 2e-3,
        absolute: activations === 'f32' ? 1e-5 : 2e-3,
        label: `gradient ${i}`,
      });
    });
  });
});

describe('embedding', () => {
  it('takes indices and segments that lie on the device, and needs the segments for a gradient', async () => {
    const table = randomNormal([10, 6], 3);
    const given = Uint32Array.of(3, ops.noRow, 3, 9, 1, 3, 0);
    const onDevice = (withSegments: boolean): ops.DeviceIndices => ({
      indices: ops.fromHost(device, [given.length], given),
      segments: withSegments ? ops.uploadSegments(device, given) : null,
    });
    for (const asParameters of [true, false]) {
      const host = await runGradients(device, [table], (t) => ops.embedding(t!, given), asParameters);
      const ours = await runGradients(device, [table], (t) => ops.embedding(t!, onDevice(true)), asParameters);
      expect(ours).toEqual(host);
    }
    const without = runGradients(device, [table], (t) => ops.embedding(t!, onDevice(false)), true);
    await expect(without).rejects.toThrow(/its indices have no segments/);
  });
});

describe('dropout', () => {
  it('keeps the expected share, scales it, and uses the same mask backwards', async () => {
    const x = reference.reference([64, 33], () => 1);
    const state = { probability: 0.25, seed: 5, stream: 2, counter: 9 };
    const run = await runGradients(device, [x], (input) => ops.dropout(input!, state), false);
    const kept = run.output.filter((value) => value !== 0);
    expect(kept.length / run.output.length).toBeGreaterThan(0.7);
    expect(kept.length / run.output.length).toBeLessThan(0.8);
    for (const value of kept) expect(value).toBeCloseTo(4 / 3, 6);
    run.gradients[0]!.forEach((gradient, i) => {
      expect(gradient).toBeCloseTo(run.output[i]! === 0 ? 0 : (run.weight.data[i]! * 4) / 3, 5);
    });
  });
});

it('sum adds all elements up, and hides no NaN', async () => {
  using _ = device.step();
  const values = Float32Array.from({ length: 300 }, (_, i) => (i % 7) - 2);
  expect(await ops.sum(ops.fromHost(device, [3, 100], values)).read()).toEqual(
    Float32Array.of(values.reduce((total, value) => total + value, 0)),
  );
  values[170] = Number.NaN;
  expect(await ops.sum(ops.fromHost(device, [3, 100], values)).read()).toEqual(Float32Array.of(Number.NaN));
});

describe('shape errors', () => {
  it('name the operation and both shapes', () => {
    using _ = device.step();
    const x = ops.zeros(device, [3, 4]);
    expect(() => ops.linear(x, ops.zeros(device, [2, 5]))).toThrow(
      /linear: weight has shape \[2, 5\], expected \[\?, 4\]/,
    );
    expect(() => ops.add(x, ops.zeros(device, [4, 3]))).toThrow(/add: b has shape \[4, 3\], expected \[3, 4\]/);
    expect(() => ops.embedding(x, Uint32Array.of(0, 3))).toThrow(/index 3 at position 1, the table has 3 rows/);
    expect(() => ops.reshape(x, [5, 2])).toThrow(/reshape/);
  });
});
