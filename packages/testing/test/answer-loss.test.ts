// The answer losses: against the formula as the paper writes it, at logits of ±80, and by finite differences.
import { describe, expect, it } from 'vitest';
import * as op from '../src/index';
import { checkGradient, expectClose, randomNormal, reference } from '../src/index';

const logits = randomNormal([4, 9], 5, 2);
const inputs = { logits, yesToken: 6, noToken: 2, labels: [1, 0, 0, 1] };

/** Gradient check of the mean loss and of a weighted sum of row losses. */
function checkLoss(
  answer: op.AnswerInputs,
  loss: (inputs: op.AnswerInputs) => op.AnswerLoss,
  backward: (inputs: op.AnswerInputs, weights?: op.Reference) => op.Reference,
): void {
  const { shape, data } = answer.logits;
  const at = (x: Float64Array) => loss({ ...answer, logits: { shape, data: x } });
  checkGradient({ value: (x) => at(x).loss, gradient: backward(answer).data, at: data });
  const weights = randomNormal([shape[0]!], 6);
  checkGradient({
    value: (x) => op.innerProduct(weights, at(x).rows),
    gradient: backward(answer, weights).data,
    at: data,
  });
}

describe('eq5', () => {
  it.each(['probability', 'logit'] as const)('is the formula of the paper, ranking on the %s', (bprOn) => {
    const { loss, rows, score, margin, rest } = op.eq5(inputs, { bprOn, k: 1.5 });
    const p = op.softmax(logits);
    const expected = inputs.labels.map((y, row) => {
      const yes = p.data[row * 9 + 6]!;
      const no = p.data[row * 9 + 2]!;
      const difference = bprOn === 'logit' ? logits.data[row * 9 + 6]! - logits.data[row * 9 + 2]! : yes - no;
      const bce = (q: number, t: number) => -t * Math.log(q) - (1 - t) * Math.log(1 - q);
      expect(score.data[row]).toBeCloseTo(yes / (yes + no), 12);
      expect(Math.exp(rest.data[row]!)).toBeCloseTo(((1 - yes - no) / yes) * Math.exp(logits.data[row * 9 + 6]!), 9);
      expect(margin.data[row]).toBe(logits.data[row * 9 + 6]! - logits.data[row * 9 + 2]!);
      return bce(yes, y) + bce(no, 1 - y) - 1.5 * Math.log(op.logistic((y ? 1 : -1) * difference));
    });
    expectClose(rows, expected, { relative: 1e-12 });
    expect(loss).toBeCloseTo(expected.reduce((a, b) => a + b) / 4, 12);
  });

  it.each(['probability', 'logit'] as const)('has the gradient of finite differences, ranking on the %s', (bprOn) => {
    checkLoss(
      inputs,
      (x) => op.eq5(x, { bprOn }),
      (x, weights) => op.eq5Backward(x, { bprOn }, weights),
    );
  });

  it('defaults to k = 2 on probabilities', () => {
    expect(op.eq5(inputs).loss).toBe(op.eq5(inputs, { k: 2, bprOn: 'probability' }).loss);
    expect(op.eq5(inputs).loss).not.toBe(op.eq5(inputs, { k: 1 }).loss);
  });

  // At z_yes = 80 and all else 0, 1 − p_yes = (V−1)·e^−80 vanishes in the naive form and its logarithm is −∞.
  it.each([
    { yes: 80, no: 0, label: 1, first: 8 * Math.exp(-80), second: Math.exp(-80), advantage: 1 },
    { yes: 80, no: 0, label: 0, first: 80 - Math.log(8), second: 80, advantage: -1 },
    { yes: -80, no: 0, label: 1, first: 80 + Math.log(8), second: -Math.log(7 / 8), advantage: -1 / 8 },
    { yes: 0, no: -80, label: 0, first: -Math.log(7 / 8), second: 80 + Math.log(8), advantage: -1 / 8 },
    { yes: -80, no: 80, label: 0, first: 0, second: 7 * Math.exp(-80), advantage: 1 },
    { yes: 80, no: -80, label: 0, first: 80 - Math.log(7), second: 160, advantage: -1 },
  ])('is exact at yes $yes, no $no, label $label', ({ yes, no, label, first, second, advantage }) => {
    const extreme = reference([1, 9], (i) => (i === 6 ? yes : i === 2 ? no : 0));
    const answer = { logits: extreme, yesToken: 6, noToken: 2, labels: [label] };
    const withoutRanking = op.eq5(answer, { k: 0 }).loss;
    expectClose([withoutRanking], [first + second], { relative: 1e-12, absolute: 1e-45 });
    const full = op.eq5(answer).loss;
    expectClose([full], [first + second + 2 * op.softplus(-advantage)], { relative: 1e-9, absolute: 0 });
    const onLogit = op.eq5(answer, { bprOn: 'logit' }).loss;
    const sign = label ? 1 : -1;
    expectClose([onLogit], [first + second + 2 * op.softplus(-sign * (yes - no))], {
      relative: 1e-12,
      absolute: 1e-45,
    });
    if (withoutRanking < 1e-30) {
      // Finite differences see nothing this small. Raising the right answer's logit lowers both terms in proportion.
      const right = label ? 6 : 2;
      expectClose([op.eq5Backward(answer, { k: 0 }).data[right]!], [-withoutRanking], { relative: 1e-9, absolute: 0 });
      return;
    }
    for (const bprOn of ['probability', 'logit'] as const) {
      checkLoss(
        answer,
        (x) => op.eq5(x, { bprOn }),
        (x, weights) => op.eq5Backward(x, { bprOn }, weights),
      );
    }
  });

  it('works with a vocabulary of nothing but the two answers', () => {
    const two = { logits: randomNormal([3, 2], 1), yesToken: 0, noToken: 1, labels: [1, 0, 1] };
    checkLoss(
      two,
      (x) => op.eq5(x),
      (x, weights) => op.eq5Backward(x, {}, weights),
    );
    expect(op.eq5(two).rest.data[0]).toBe(Number.NEGATIVE_INFINITY);
  });

  it('refuses tokens outside the vocabulary', () => {
    expect(() => op.eq5({ ...inputs, yesToken: 9 })).toThrow('answer token 9');
    expect(() => op.eq5({ ...inputs, yesToken: 2 })).toThrow('both answers');
  });
});

it('yes-logit-bce', () => {
  const { rows, score } = op.yesLogitBce(inputs);
  expectClose(
    score,
    [0, 1, 2, 3].map((row) => logits.data[row * 9 + 6]!),
  );
  expect(rows.data[0]).toBeCloseTo(-Math.log(op.logistic(logits.data[6]!)), 12);
  checkLoss(inputs, op.yesLogitBce, op.yesLogitBceBackward);
});

it('answer-ce', () => {
  const p = op.softmax(logits);
  expect(op.answerCrossEntropy(inputs).rows.data[1]).toBeCloseTo(-Math.log(p.data[9 + 2]!), 12);
  expectClose(op.answerCrossEntropy(inputs).score, op.eq5(inputs).score);
  checkLoss(inputs, op.answerCrossEntropy, op.answerCrossEntropyBackward);
});
