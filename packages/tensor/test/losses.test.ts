// Losses through the tape: values, scores, and gradients of what lies below them, against float64.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import * as reference from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor, YesNoLossOptions } from '../src';
import {
  bceWithLogits,
  crossEntropy,
  fromHost,
  ignoredTarget,
  ParameterGroup,
  scale,
  Tape,
  withoutTape,
  yesNoLoss,
} from '../src';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

type Reference = reference.Reference;
/** The logits are this multiple of the parameter, so that the gradient passes one more operation. */
const factor = -1.5;

interface Run {
  readonly losses: Float32Array;
  readonly scores: Float32Array | null;
  /** Of the parameter, or of the logits themselves without `scaled`. */
  readonly gradient: Float32Array;
}

/** Runs a loss on a trainable tensor, directly or below a scaling, and backwards. */
async function runLoss(
  values: Reference,
  scaled: boolean,
  loss: (logits: Tensor) => { losses: Tensor; scores?: Tensor },
): Promise<Run> {
  const group = new ParameterGroup(device, 'test', [
    { name: 'logits', shape: values.shape, values: reference.toFloat32(values) },
  ]);
  group.trainable = true;
  using _ = device.step();
  group.zeroGradients();
  const parameter = group.get('logits');
  const tape = new Tape();
  const { losses, scores } = tape.record(() => loss(scaled ? scale(parameter, factor) : parameter));
  tape.backward();
  const run = {
    losses: await losses.read(),
    scores: scores ? await scores.read() : null,
    gradient: new Float32Array(await device.recorder.read(parameter.gradient)),
  };
  group.release();
  return run;
}

const close = { relative: 2e-5, absolute: 2e-6 };

/** Compares a run with the losses and the gradient with respect to the logits, for a gradient scale of 0.3. */
function expectRun(run: Run, losses: Reference, gradient: Reference, scaled: boolean): void {
  reference.expectClose(run.losses, losses.data, { ...close, label: 'losses' });
  const expected = gradient.data.map((value) => value * (scaled ? factor : 1));
  reference.expectClose(run.gradient, expected, { ...close, label: 'gradient' });
}

const scaledOrNot = [
  ['of a parameter', false],
  ['below another operation', true],
] as const;
/** What the loss sees. */
const seen = (values: Reference, scaled: boolean) => (scaled ? reference.scale(values, factor) : values);
const weights = (rows: number) => reference.reference([rows], () => 0.3);

describe.each(scaledOrNot)('%s', (_, scaled) => {
  it('bceWithLogits has the values and gradients of float64, also at |z| = 80', async () => {
    const values = reference.reference([70], (i) => [0, 80, -80, 0.5, -3][i % 5]! / (scaled ? 1.5 : 1) + 0.01 * i);
    const labels = Float32Array.from({ length: 70 }, (_, i) => Number(i % 3 === 0));
    // Labels from the host in one case, on the device in the other.
    const run = await runLoss(values, scaled, (logits) => ({
      losses: bceWithLogits(logits, scaled ? fromHost(device, [70], labels) : labels, 0.3),
    }));
    const logits = seen(values, scaled);
    const gradient = reference.bceWithLogitsBackward(logits, labels, weights(70));
    expectRun(run, reference.bceWithLogits(logits, labels), gradient, scaled);
  });

  it('crossEntropy has the values and gradients of float64; ignored rows give none', async () => {
    const [rows, vocab] = [7, 101];
    const values = reference.randomNormal([rows, vocab], 5, 4);
    const targets = Uint32Array.of(0, 100, ignoredTarget, 7, 7, ignoredTarget, 55);
    const run = await runLoss(values, scaled, (logits) => ({
      losses: crossEntropy(logits, scaled ? fromHost(device, [rows], targets) : targets, 0.3),
    }));
    const signed = Array.from(targets, (target) => (target === ignoredTarget ? -1 : target));
    const logits = seen(values, scaled);
    expectRun(
      run,
      reference.crossEntropy(logits, signed),
      reference.crossEntropyBackward(logits, signed, weights(rows)),
      scaled,
    );
    expect(run.losses[2]).toBe(0);
    expect(run.gradient.slice(2 * vocab, 3 * vocab).every((value) => value === 0)).toBe(true);
  });

  const [yesToken, noToken] = [3, 30];
  const kinds: [string, Pick<YesNoLossOptions, 'kind' | 'k' | 'bprOn'>][] = [
    ['eq5 on probabilities', { kind: 'eq5', k: 2, bprOn: 'probability' }],
    ['eq5 on logits', { kind: 'eq5', k: 0.7, bprOn: 'logit' }],
    ['eq5 without ranking', { kind: 'eq5', k: 0, bprOn: 'probability' }],
    ['yes-logit-bce', { kind: 'yes-logit-bce', k: 2, bprOn: 'probability' }],
    ['answer-ce', { kind: 'answer-ce', k: 2, bprOn: 'probability' }],
  ];
  it.each(kinds)('yesNoLoss: %s', async (_, kind) => {
    const [rows, vocab] = [9, 45];
    const values = reference.randomNormal([rows, vocab], 6, 2);
    // Certain answers, right and wrong, where a naive softmax saturates.
    for (const [row, yes, no] of [
      [0, 80, 0],
      [1, 80, 0],
      [2, -80, 80],
      [3, -80, -80],
    ] as const) {
      const by = scaled ? factor : 1;
      values.data[row * vocab + yesToken] = yes / by;
      values.data[row * vocab + noToken] = no / by;
    }
    const labels = Float32Array.of(1, 0, 1, 0, 1, 0, 0, 1, 1);
    const options = { ...kind, yesToken, noToken };
    const run = await runLoss(values, scaled, (logits) => yesNoLoss(logits, labels, options, 0.3));
    // The reference sees what f32 sees.
    const logits = seen({ ...values, data: Float64Array.from(reference.toFloat32(values)) }, scaled);
    const inputs = { logits, labels, yesToken, noToken };
    const upstream = weights(rows);
    if (kind.kind === 'eq5') {
      const { k, bprOn } = kind;
      const expected = reference.eq5(inputs, { k, bprOn });
      expectRun(run, expected.rows, reference.eq5Backward(inputs, { k, bprOn }, upstream), scaled);
      reference.expectClose(run.scores!, expected.margin, { ...close, label: 'scores' });
    } else if (kind.kind === 'yes-logit-bce') {
      const expected = reference.yesLogitBce(inputs);
      expectRun(run, expected.rows, reference.yesLogitBceBackward(inputs, upstream), scaled);
      reference.expectClose(run.scores!, expected.score, { ...close, label: 'scores' });
    } else {
      const expected = reference.answerCrossEntropy(inputs);
      expectRun(run, expected.rows, reference.answerCrossEntropyBackward(inputs, upstream), scaled);
      const margins = reference.eq5(inputs).margin;
      reference.expectClose(run.scores!, margins, { ...close, label: 'scores' });
    }
  });
});

it('outside a tape losses are the same and nothing is recorded', async () => {
  using _ = device.step();
  const group = new ParameterGroup(device, 'test', [{ name: 'z', shape: [2], values: Float32Array.of(0.5, -2) }]);
  group.trainable = true;
  group.zeroGradients();
  const tape = new Tape();
  const losses = tape.record(() => withoutTape(() => bceWithLogits(group.get('z'), Float32Array.of(1, 0), 1)));
  expect(tape.length).toBe(0);
  reference.expectClose(await losses.read(), [Math.log1p(Math.exp(-0.5)), Math.log1p(Math.exp(-2))]);
  group.release();
});

it('labels, targets and logits must fit each other', () => {
  using _ = device.step();
  const group = new ParameterGroup(device, 'test', [{ name: 'z', shape: [2, 3], values: new Float32Array(6) }]);
  const logits = group.get('z');
  expect(() => bceWithLogits(logits, new Float32Array(5), 1)).toThrow(/bceWithLogits.*\[2, 3\]/);
  expect(() => crossEntropy(logits, new Uint32Array(3), 1)).toThrow(/crossEntropy.*\[2, 3\]/);
  const options = { kind: 'eq5', k: 2, bprOn: 'logit', yesToken: 0, noToken: 1 } as const;
  expect(() => yesNoLoss(logits, new Float32Array(1), options, 1)).toThrow(/yesNoLoss.*\[2, 3\]/);
  group.release();
});
