/** yesNoLoss against the float64 losses and gradients, at moderate and extreme logits. */
import {
  type AnswerInputs,
  answerCrossEntropy,
  answerCrossEntropyBackward,
  eq5,
  eq5Backward,
  expectClose,
  type Reference,
  randomNormal,
  reference,
  yesLogitBce,
  yesLogitBceBackward,
} from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { yesNoLoss } from './yes-no-loss';

const cases = [
  { kind: 'eq5', bprOn: 'probability' },
  { kind: 'eq5', bprOn: 'logit' },
  { kind: 'yes-logit-bce', bprOn: 'probability' },
  { kind: 'answer-ce', bprOn: 'probability' },
] as const;
type Case = (typeof cases)[number];

/** Normal logits; the first rows put ±80 on yes, no and another token in turn, for both labels. */
function inputsOf(rows: number, vocab: number, yesToken: number, noToken: number): AnswerInputs {
  const logits = randomNormal([rows, vocab], rows + vocab, 3);
  const other = [0, 1, 2].find((token) => token !== yesToken && token !== noToken)!;
  const extremes = [
    [80, -80, 0],
    [-80, 80, 0],
    [80, 80, 80],
    [-80, -80, 80],
    [0, 80, -80],
    [-80, 0, -80],
  ];
  for (let row = 0; row < Math.min(rows, 12); row++) {
    const [yes, no, rest] = extremes[row >> 1] as [number, number, number];
    logits.data[row * vocab + yesToken] = yes;
    logits.data[row * vocab + noToken] = no;
    logits.data[row * vocab + other] = rest;
  }
  return { logits, yesToken, noToken, labels: Array.from({ length: rows }, (_, row) => row % 2) };
}

function expectedOf(inputs: AnswerInputs, { kind, bprOn }: Case, k: number, weights: Reference) {
  if (kind === 'eq5')
    return { loss: eq5(inputs, { k, bprOn }).rows, gradient: eq5Backward(inputs, { k, bprOn }, weights) };
  if (kind === 'answer-ce') {
    return { loss: answerCrossEntropy(inputs).rows, gradient: answerCrossEntropyBackward(inputs, weights) };
  }
  return { loss: yesLogitBce(inputs).rows, gradient: yesLogitBceBackward(inputs, weights) };
}

async function check(
  device: Parameters<typeof yesNoLoss>[0],
  variant: Case,
  [rows, vocab, yesToken, noToken]: readonly [number, number, number, number],
) {
  const inputs = inputsOf(rows, vocab, yesToken, noToken);
  const [k, gradScale] = [2, 0.5];
  const loss = uploadFilled(device, rows);
  const score = uploadFilled(device, rows);
  const gradLogits = uploadFilled(device, rows * vocab);
  const common = {
    ...variant,
    logits: upload(device, inputs.logits),
    labels: upload(device, Float32Array.from(inputs.labels)),
    rows,
    vocab,
    yesToken,
    noToken,
    k,
  };
  yesNoLoss(device, { ...common, loss, score, gradLogits, gradScale });
  const weights = reference([rows], () => gradScale);
  const expected = expectedOf(inputs, variant, k, weights);
  const label = `${variant.kind} on ${variant.bprOn}, ${rows}x${vocab}`;
  expectClose(await download(device, loss), expected.loss.data, { relative: 3e-6, absolute: 3e-6, label });
  expectClose(await download(device, gradLogits), expected.gradient.data, {
    relative: 3e-5,
    absolute: 3e-6,
    label: `${label}, gradient`,
  });
  const expectedScore = Float64Array.from({ length: rows }, (_, row) => {
    const yes = inputs.logits.data[row * vocab + yesToken]!;
    return variant.kind === 'yes-logit-bce' ? yes : yes - inputs.logits.data[row * vocab + noToken]!;
  });
  expectClose(await download(device, score), expectedScore, { relative: 1e-7, absolute: 1e-6, label });
  const alone = uploadFilled(device, rows);
  yesNoLoss(device, { ...common, loss: alone, score });
  expect(await download(device, alone)).toEqual(await download(device, loss));
}

describe.each(deviceConfigurations)('yesNoLoss, $name', ({ options }) => {
  it.each(cases)('$kind, ranking on $bprOn', async (variant) => {
    await withDevice(async (device) => {
      for (const shape of [
        [1, 3, 0, 2],
        [3, 17, 16, 1],
        [700, 5, 3, 1],
        [257, 20, 1, 2],
        [7, 512, 400, 2],
      ] as const) {
        await check(device, variant, shape);
      }
    }, options);
  });
});

it.each(cases)('serves a large vocabulary: $kind, ranking on $bprOn', async (variant) => {
  await withDevice((device) => check(device, variant, [13, 32_000, 3869, 1939]));
});

it('keeps the small side of confident right answers', async () => {
  await withDevice(async (device) => {
    // p_yes = 1 − e^-40 to leading order, so BCE(p_yes, 1) = e^-40 and BCE(p_no, 0) = p_no = e^-60.
    const logits = upload(device, Float32Array.of(0, 40, -20));
    const loss = uploadFilled(device, 1);
    const score = uploadFilled(device, 1);
    const labels = upload(device, Float32Array.of(1));
    const common = { logits, labels, loss, score, rows: 1, vocab: 3, yesToken: 1, noToken: 2 };
    yesNoLoss(device, { ...common, kind: 'eq5', k: 0, bprOn: 'probability' });
    expectClose(await download(device, loss), [Math.exp(-40) + Math.exp(-60)], { relative: 1e-5, absolute: 0 });
    yesNoLoss(device, { ...common, kind: 'answer-ce', k: 0, bprOn: 'probability' });
    expectClose(await download(device, loss), [Math.exp(-40)], { relative: 1e-5, absolute: 0 });
  });
});

it('refuses tokens outside the vocabulary and twice the same', async () => {
  await withDevice(async (device) => {
    const slice = uploadFilled(device, 8);
    const base = { logits: slice, labels: slice, loss: slice, score: slice, rows: 1, vocab: 8, k: 2 } as const;
    const call = (yesToken: number, noToken: number) => () =>
      yesNoLoss(device, { ...base, yesToken, noToken, kind: 'eq5', bprOn: 'logit' });
    expect(call(8, 1)).toThrow(/yesToken 8 is outside/);
    expect(call(1, 1)).toThrow(/both answers are token 1/);
  });
});
