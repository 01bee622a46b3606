/** What tests of attention share: packed sequences, one case run forward and backward, and the reference's answer to it. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, type Reference, randomNormal, reshape } from '@crossgate/testing';
import { type AttentionPlan, attention, attentionBackward } from '../src/attention/attention';
import { download, upload, uploadFilled } from './harness';

/** One case of attention. */
export interface AttentionCase {
  readonly lengths: readonly number[];
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly plan?: AttentionPlan;
  /** Standard deviation of queries; large ones make the softmax sharp. */
  readonly spread?: number;
  /** Inputs are exact in f16. */
  readonly halves?: boolean;
}

/** Absolute error that is allowed for outputs of about 1; sums over queries have four times as much. */
export interface AttentionTolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** Starts of sequences of these lengths, and the sequence of each token. */
export function packing(lengths: readonly number[]) {
  const offsets = [0];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  const sequenceOfToken = lengths.flatMap((length, s) => new Array<number>(length).fill(s));
  return { offsets: Uint32Array.from(offsets), sequenceOfToken: Uint32Array.from(sequenceOfToken) };
}

/** Computes one case, forward and backward. */
export async function runAttention(device: Device, testCase: AttentionCase) {
  const { lengths, heads, keyValueHeads, headDim, plan, spread = 1, halves = false } = testCase;
  const { offsets, sequenceOfToken } = packing(lengths);
  const tokens = sequenceOfToken.length;
  const scale = 1 / Math.sqrt(headDim);
  const made = (count: number, seed: number, deviation = 1): Reference => {
    const { shape, data } = randomNormal([tokens, count, headDim], seed, deviation);
    return { shape, data: halves ? data.map((value) => Math.round(64 * value) / 64) : data };
  };
  const [q, k, v] = [made(heads, 1, spread), made(keyValueHeads, 2), made(keyValueHeads, 3)];
  const gradient = made(heads, 4);
  const inputs = { q, k, v, offsets, scale };
  const shared = {
    query: upload(device, q),
    key: upload(device, k),
    value: upload(device, v),
    offsets: upload(device, offsets),
    sequenceOfToken: upload(device, sequenceOfToken),
    out: uploadFilled(device, q.data.length),
    logSumExp: uploadFilled(device, tokens * heads),
    ...{ tokens, heads, keyValueHeads, headDim, scale },
    ...(plan ? { plan } : {}),
  };
  attention(device, shared);
  const gradients = {
    gradQuery: uploadFilled(device, q.data.length),
    gradKey: uploadFilled(device, k.data.length),
    gradValue: uploadFilled(device, k.data.length),
  };
  attentionBackward(device, { ...shared, ...gradients, gradOut: upload(device, gradient) });
  const actual = {
    out: await download(device, shared.out),
    logSumExp: await download(device, shared.logSumExp),
    gradQuery: await download(device, gradients.gradQuery),
    gradKey: await download(device, gradients.gradKey),
    gradValue: await download(device, gradients.gradValue),
  };
  return { inputs, gradient, actual, tokens };
}

/** Compares one case with the reference, and gives what was computed. */
export async function checkAttention(device: Device, testCase: AttentionCase, tolerance: AttentionTolerance) {
  const { inputs, gradient, actual } = await runAttention(device, testCase);
  const { output, logSumExp } = reference.attention(inputs);
  const expected = reference.attentionBackward(inputs, gradient);
  const { lengths, heads, keyValueHeads, headDim, spread = 1 } = testCase;
  const label = `[${lengths}] ${heads}/${keyValueHeads} × ${headDim}`;
  expectClose(actual.out, reshape(output, [actual.out.length]), { ...tolerance, label: `out ${label}` });
  // Of scores, which have no rounding but that of f32 where inputs are exact.
  const exact = { relative: 1e-5, absolute: 1e-5 * Math.max(1, spread) };
  expectClose(actual.logSumExp, logSumExp.data, { ...exact, label: `logSumExp ${label}` });
  expectClose(actual.gradQuery, expected.q.data, { ...tolerance, label: `gradQuery ${label}` });
  const summed = { ...tolerance, absolute: 4 * tolerance.absolute };
  expectClose(actual.gradKey, expected.k.data, { ...summed, label: `gradKey ${label}` });
  expectClose(actual.gradValue, expected.v.data, { ...summed, label: `gradValue ${label}` });
  return actual;
}
