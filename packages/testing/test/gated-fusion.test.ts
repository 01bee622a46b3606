// Gated fusion: values at each kind of position, and its gradients by finite differences.
import { describe, expect, it } from 'vitest';
import * as op from '../src/index';
import { checkGradient, expectClose, innerProduct, randomNormal } from '../src/index';

const positions = {
  tokenId: [3, -1, 2, 2, 4, 0],
  cfRow: [-1, 2, 0, 1, 1, 0],
  textRow: [-1, -1, 0, 0, 1, -1],
};

describe.each([5, 1])('gate of width %i', (gateWidth) => {
  const inputs: op.GatedFusionInputs = {
    tokenEmbeddings: randomNormal([6, 5], 1),
    aligned: randomNormal([3, 5], 2),
    gateCf: randomNormal([3, gateWidth], 3),
    gateText: randomNormal([2, gateWidth], 4),
    ...positions,
  };

  it('adds the gated CF vector to the token', () => {
    const out = op.gatedFusion(inputs);
    const token = (id: number, c: number) => inputs.tokenEmbeddings.data[id * 5 + c]!;
    const aligned = (row: number, c: number) => inputs.aligned.data[row * 5 + c]!;
    const g = (c: number) => (gateWidth === 1 ? 0 : c);
    const alpha = (row: number, text: number, c: number) =>
      inputs.gateCf!.data[row * gateWidth + g(c)]! + inputs.gateText!.data[text * gateWidth + g(c)]!;
    for (let c = 0; c < 5; c++) {
      const expected = [
        token(3, c),
        aligned(2, c),
        token(2, c) + alpha(0, 0, c) * aligned(0, c),
        token(2, c) + alpha(1, 0, c) * aligned(1, c),
        token(4, c) + alpha(1, 1, c) * aligned(1, c),
        token(0, c) + aligned(0, c),
      ];
      expectClose(
        expected.map((_, p) => out.data[p * 5 + c]!),
        expected,
      );
    }
  });

  it.each(['none', 'sigmoid', 'tanh'] as const)('gradients, activation %s', (activation) => {
    const upstream = randomNormal([6, 5], 7);
    const gradient = op.gatedFusionBackward({ ...inputs, activation }, upstream);
    for (const name of ['aligned', 'gateCf', 'gateText'] as const) {
      const { shape, data: at } = inputs[name]!;
      expect(gradient[name]!.shape).toEqual(shape);
      checkGradient({
        value: (data) => innerProduct(upstream, op.gatedFusion({ ...inputs, activation, [name]: { shape, data } })),
        gradient: gradient[name]!.data,
        at,
        label: name,
      });
    }
  });
});

it('without gates α is 1', () => {
  const aligned = randomNormal([3, 5], 2);
  const inputs = { tokenEmbeddings: randomNormal([6, 5], 1), aligned, gateCf: null, gateText: null, ...positions };
  const upstream = randomNormal([6, 5], 7);
  const gradient = op.gatedFusionBackward(inputs, upstream);
  expect(gradient.gateCf).toBeNull();
  checkGradient({
    value: (data) => innerProduct(upstream, op.gatedFusion({ ...inputs, aligned: { shape: [3, 5], data } })),
    gradient: gradient.aligned.data,
    at: aligned.data,
  });
  expect(() => op.gatedFusion({ ...inputs, cfRow: [-1, 3, 0, 1, 1, 0] })).toThrow('position 1');
});
