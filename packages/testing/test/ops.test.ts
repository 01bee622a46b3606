// Forward ops against hand-made values and identities, every backward against finite differences.
import { describe, expect, it } from 'vitest';
import * as op from '../src/index';
import { checkGradient, expectClose, innerProduct, type Reference, reference, strideRevealing } from '../src/index';

/** Checks `gradient` of ⟨upstream, f(x)⟩ with respect to one array `x`, which `f` receives perturbed. */
function checkInput(x: Reference, upstream: Reference, gradient: Reference, f: (x: Reference) => Reference): void {
  expect(gradient.shape).toEqual(x.shape);
  checkGradient({
    value: (data) => innerProduct(upstream, f({ shape: x.shape, data })),
    gradient: gradient.data,
    at: x.data,
  });
}

describe('matmul', () => {
  const a = reference([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = reference([3, 2], [7, 8, 9, 10, 11, 12]);
  const transposed = (m: Reference) =>
    reference(
      [m.shape[1]!, m.shape[0]!],
      (i) => m.data[(i % m.shape[0]!) * m.shape[1]! + Math.floor(i / m.shape[0]!)]!,
    );

  it('multiplies, with either operand transposed', () => {
    const expected = reference([2, 2], [58, 64, 139, 154]);
    expectClose(op.matmul(a, b), expected);
    expectClose(op.matmul(transposed(a), b, { transposeA: true }), expected);
    expectClose(op.matmul(a, transposed(b), { transposeB: true }), expected);
    expectClose(op.matmul(transposed(a), transposed(b), { transposeA: true, transposeB: true }), expected);
    expect(() => op.matmul(a, a)).toThrow('inner sizes 3 of A and 2 of B');
  });

  it('works per batch', () => {
    const x = strideRevealing([3, 4, 5]);
    const y = strideRevealing([3, 6, 5], 1);
    const product = op.batchedMatmul(x, y, { transposeB: true });
    expect(product.shape).toEqual([3, 4, 6]);
    let expected = 0;
    for (let k = 0; k < 5; k++) expected += x.data[(2 * 4 + 1) * 5 + k]! * y.data[(2 * 6 + 3) * 5 + k]!;
    expect(product.data[(2 * 4 + 1) * 6 + 3]).toBeCloseTo(expected, 12);
  });

  it('linear and its gradients', () => {
    const x = op.randomNormal([5, 3], 1);
    const weight = op.randomNormal([4, 3], 2);
    const bias = op.randomNormal([4], 3);
    const upstream = op.randomNormal([5, 4], 4);
    expectClose(op.linear(reference([1, 2], [1, 2]), reference([1, 2], [3, 4]), reference([1], [0.5])), [11.5]);
    const gradient = op.linearBackward(x, weight, upstream);
    checkInput(x, upstream, gradient.input, (v) => op.linear(v, weight, bias));
    checkInput(weight, upstream, gradient.weight, (v) => op.linear(x, v, bias));
    checkInput(bias, upstream, gradient.bias, (v) => op.linear(x, weight, v));
  });
});

describe('element-wise and reductions', () => {
  it('adds, scales and sums', () => {
    const a = reference([2, 2], [1, 2, 3, 4]);
    const b = reference([2, 2], [5, 6, 7, 8]);
    expectClose(op.add(a, b), [6, 8, 10, 12]);
    expectClose(op.subtract(a, b), [-4, -4, -4, -4]);
    expectClose(op.multiply(a, b), [5, 12, 21, 32]);
    expectClose(op.scale(a, -2), [-2, -4, -6, -8]);
    expectClose(op.columnSums(a), [4, 6]);
    expectClose(op.addRow(a, reference([2], [10, 20])), [11, 22, 13, 24]);
    expectClose(op.rowDot(a, b), [17, 53]);
    expect(op.sum(a)).toBe(10);
    expect(() => op.add(a, reference([4], [1, 2, 3, 4]))).toThrow('shape [4], expected [2, 2]');
  });

  it('row dot gradients', () => {
    const a = op.randomNormal([3, 4], 1);
    const b = op.randomNormal([3, 4], 2);
    const upstream = op.randomNormal([3], 3);
    const gradient = op.rowDotBackward(a, b, upstream);
    checkInput(a, upstream, gradient.a, (v) => op.rowDot(v, b));
    checkInput(b, upstream, gradient.b, (v) => op.rowDot(a, v));
  });

  it('top-k, ties by column', () => {
    const { values, indices } = op.topK(reference([2, 4], [1, 3, 3, 2, -1, -4, -2, -3]), 3);
    expectClose(values, [3, 3, 2, -1, -2, -3]);
    expect(Array.from(indices)).toEqual([1, 2, 3, 0, 2, 3]);
  });
});

describe('activations', () => {
  const x = reference([6], [-3, -0.5, 0.25, 1, 2.5, 30]);
  it('have their known values', () => {
    expectClose(op.relu(x), [0, 0, 0.25, 1, 2.5, 30]);
    expectClose(op.sigmoid(reference([3], [0, Math.log(3), -800])), [0.5, 0.75, 0]);
    expectClose(op.tanh(reference([1], [Math.log(2)])), [0.6]);
    expectClose(op.silu(reference([2], [Math.log(3), 0])), [0.75 * Math.log(3), 0]);
    expect(op.softplus(800)).toBe(800);
    expect(op.softplus(-800)).toBe(0);
    expect(op.softplus(-40)).toBeCloseTo(Math.exp(-40), 30);
  });

  it.each(['none', 'relu', 'sigmoid', 'tanh', 'silu'] as const)('%s gradient', (name) => {
    const upstream = op.randomNormal([6], 1);
    checkInput(x, upstream, op.activateBackward(name, x, upstream), (v) => op.activate(name, v));
  });

  it('swiglu and its gradients', () => {
    const gate = op.randomNormal([3, 5], 1);
    const up = op.randomNormal([3, 5], 2);
    const upstream = op.randomNormal([3, 5], 3);
    expectClose(op.swiglu(reference([1], [Math.log(3)]), reference([1], [4])), [3 * Math.log(3)]);
    const gradient = op.swigluBackward(gate, up, upstream);
    checkInput(gate, upstream, gradient.gate, (v) => op.swiglu(v, up));
    checkInput(up, upstream, gradient.up, (v) => op.swiglu(gate, v));
  });

  it('dropout by mask', () => {
    expectClose(op.dropout(reference([4], [1, 2, 3, 4]), [1, 0, 1, 0], 0.5), [2, 0, 6, 0]);
  });
});

describe('normalization', () => {
  const x = op.randomNormal([4, 7], 1, 3);
  const weight = op.randomNormal([7], 2);
  const bias = op.randomNormal([7], 3);
  const upstream = op.randomNormal([4, 7], 4);

  it('rmsNorm', () => {
    expectClose(op.rmsNorm(reference([1, 2], [3, 4]), reference([2], [1, 2]), 0), [
      3 / Math.sqrt(12.5),
      8 / Math.sqrt(12.5),
    ]);
    const gradient = op.rmsNormBackward(x, weight, upstream, 1e-2);
    checkInput(x, upstream, gradient.input, (v) => op.rmsNorm(v, weight, 1e-2));
    checkInput(weight, upstream, gradient.weight, (v) => op.rmsNorm(x, v, 1e-2));
  });

  it('layerNorm', () => {
    expectClose(op.layerNorm(reference([1, 2], [3, 5]), reference([2], [1, 2]), reference([2], [0, 1]), 0), [-1, 3]);
    const gradient = op.layerNormBackward(x, weight, upstream, 1e-2);
    checkInput(x, upstream, gradient.input, (v) => op.layerNorm(v, weight, bias, 1e-2));
    checkInput(weight, upstream, gradient.weight, (v) => op.layerNorm(x, v, bias, 1e-2));
    checkInput(bias, upstream, gradient.bias, (v) => op.layerNorm(x, weight, v, 1e-2));
  });
});

describe('rope', () => {
  const positions = op.packedPositions([0, 3, 3, 5]);

  it('counts positions per sequence', () => {
    expect(Array.from(positions)).toEqual([0, 1, 2, 0, 1]);
  });

  it('rotates pairs (i, i + half)', () => {
    const x = reference([1, 1, 4], [1, 2, 3, 4]);
    const [c, s] = [Math.cos(2), Math.sin(2)];
    const [slowC, slowS] = [Math.cos(2 / 10), Math.sin(2 / 10)]; // 100^(-2/4) = 1/10
    expectClose(op.rope(x, [2], 100), [c - 3 * s, 2 * slowC - 4 * slowS, 3 * c + s, 4 * slowC + 2 * slowS]);
  });

  it('gradient', () => {
    const x = op.randomNormal([5, 2, 6], 1);
    const upstream = op.randomNormal([5, 2, 6], 2);
    checkInput(x, upstream, op.ropeBackward(upstream, positions, 50), (v) => op.rope(v, positions, 50));
  });
});

describe('embedding', () => {
  it('gathers, with zero rows for −1, and scatters back', () => {
    const table = op.randomNormal([4, 3], 1);
    const indices = [2, -1, 0, 2];
    const upstream = op.randomNormal([4, 3], 2);
    expectClose(op.gatherRows(table, [-1, 3]).data, [0, 0, 0, ...table.data.subarray(9, 12)]);
    const gradient = op.scatterAddRows(upstream, indices, 4);
    checkInput(table, upstream, gradient, (v) => op.gatherRows(v, indices));
    expect(() => op.gatherRows(table, [4])).toThrow('index 4 at position 0');
  });
});

describe('softmax family', () => {
  it('is stable', () => {
    expectClose(op.softmax(reference([1, 3], [1000, 1000, -1000])), [0.5, 0.5, 0]);
    expectClose(op.logSumExp(reference([2, 2], [-1000, -1000, 700, 0])), [-1000 + Math.log(2), 700]);
    expectClose(op.crossEntropy(reference([2, 3], [0, 0, 0, 80, -80, 0]), [1, 1]), [Math.log(3), 160]);
    expectClose(op.bceWithLogits(reference([4], [0, 80, 80, -80]), [1, 1, 0, 0]), [Math.log(2), 0, 80, 0]);
  });

  it('gradients', () => {
    const logits = op.randomNormal([4, 6], 1, 2);
    const upstream = op.randomNormal([4, 6], 2);
    checkInput(logits, upstream, op.softmaxBackward(op.softmax(logits), upstream), op.softmax);
    const rows = op.randomNormal([4], 3);
    const targets = [5, 0, -1, 2];
    const gradient = op.crossEntropyBackward(logits, targets, rows);
    checkInput(logits, rows, gradient, (v) => op.crossEntropy(v, targets));
    expect(Array.from(gradient.data.subarray(12, 18))).toEqual([0, 0, 0, 0, 0, 0]);
    const labels = Array.from({ length: 24 }, (_, i) => i % 2);
    const bce = op.bceWithLogitsBackward(logits, labels, upstream);
    checkInput(logits, upstream, bce, (v) => op.bceWithLogits(v, labels));
  });
});

describe('optimizers', () => {
  // Two steps of torch.optim on one value, worked out from its documented update rule.
  it('Adam couples the decay with the gradient', () => {
    const options = { learningRate: 0.1, weightDecay: 0.5 };
    let state = op.adamStep(op.adamState([2]), [1], options);
    // g = 1 + 0.5·2 = 2: the first step is the learning rate, whatever the gradient's size.
    expect(state.value[0]).toBeCloseTo(1.9, 8);
    state = op.adamStep(state, [-1], options);
    const first = (0.9 * 0.2 + 0.1 * -0.05) / (1 - 0.81);
    const second = (0.999 * 0.004 + 0.001 * 0.05 ** 2) / (1 - 0.999 ** 2);
    expect(state.value[0]).toBeCloseTo(1.9 - (0.1 * first) / Math.sqrt(second), 7);
    expect(state.step).toBe(2);
  });

  it('AdamW shrinks the value apart from the moments', () => {
    const state = op.adamWStep(op.adamState([2]), [-3], { learningRate: 0.1, weightDecay: 0.5 });
    expect(state.value[0]).toBeCloseTo(2 * 0.95 + 0.1, 8);
    expect(state.firstMoment[0]).toBeCloseTo(-0.3, 12);
    expect(state.secondMoment[0]).toBeCloseTo(0.009, 12);
  });
});
