// Packed attention against a dense softmax per sequence and head, and its gradients by finite differences.
import { expect, it } from 'vitest';
import * as op from '../src/index';
import { checkGradient, expectClose, innerProduct, randomNormal, reference } from '../src/index';

const offsets = [0, 3, 3, 8];
const q = randomNormal([8, 4, 6], 1);
const k = randomNormal([8, 2, 6], 2);
const v = randomNormal([8, 2, 6], 3);

it('equals softmax(q·kᵀ/√d + mask)·v of every sequence and head', () => {
  const { output, logSumExp } = op.attention({ q, k, v, offsets });
  const headOf = (x: op.Reference, head: number, start: number, end: number) =>
    reference([end - start, 6], (i) => x.data[((start + Math.floor(i / 6)) * x.shape[1]! + head) * 6 + (i % 6)]!);
  for (const [start, end] of [
    [0, 3],
    [3, 8],
  ] as const) {
    const length = end - start;
    for (let head = 0; head < 4; head++) {
      const keyHead = head < 2 ? 0 : 1;
      const products = op.matmul(headOf(q, head, start, end), headOf(k, keyHead, start, end), { transposeB: true });
      const scores = reference([length, length], (i) =>
        i % length > Math.floor(i / length) ? Number.NEGATIVE_INFINITY : products.data[i]! / Math.sqrt(6),
      );
      const expected = op.matmul(op.softmax(scores), headOf(v, keyHead, start, end));
      expectClose(headOf(output, head, start, end), expected, { relative: 1e-12, absolute: 1e-13 });
      const normalizers = reference([length], (i) => logSumExp.data[(start + i) * 4 + head]!);
      expectClose(normalizers, op.logSumExp(scores), { relative: 1e-12 });
    }
  }
});

it('has the gradients of finite differences', () => {
  const upstream = randomNormal([8, 4, 6], 4);
  const inputs = { q, k, v, offsets, scale: 0.7 };
  const gradient = op.attentionBackward(inputs, upstream);
  for (const name of ['q', 'k', 'v'] as const) {
    expect(gradient[name].shape).toEqual(inputs[name].shape);
    checkGradient({
      value: (data) =>
        innerProduct(upstream, op.attention({ ...inputs, [name]: { shape: inputs[name].shape, data } }).output),
      gradient: gradient[name].data,
      at: inputs[name].data,
      label: name,
    });
  }
});

it('refuses offsets and heads that do not fit', () => {
  expect(() => op.attention({ q, k, v, offsets: [0, 7] })).toThrow('must run from 0 to 8');
  expect(() => op.attention({ q, k, v, offsets: [0, 5, 3, 8] })).toThrow('fall at 2');
  expect(() => op.attention({ q: randomNormal([8, 3, 6], 1), k, v, offsets })).toThrow('not a multiple');
});
