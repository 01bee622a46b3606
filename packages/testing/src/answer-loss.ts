/**
 * The losses on the answer's logits (eq. 5 of the paper, yes-logit-bce, answer-ce) in float64, with their gradients.
 */
import { logistic, softplus } from './activations';
import { type Reference, reference, requireShape, zeros } from './reference';
import { crossEntropy, crossEntropyBackward, logSumExpOf } from './softmax';

export interface AnswerInputs {
  /** [B, vocab], the logits at the position that the answer follows. */
  logits: Reference;
  /** Vocabulary ids of the two answers; they differ. */
  yesToken: number;
  noToken: number;
  /** B labels, 1 = yes, 0 = no. */
  labels: ArrayLike<number>;
}

export interface Eq5Options {
  /** Weight of the ranking term; default 2. */
  k?: number;
  /** What the ranking term compares: p_yes − p_no (the paper) or z_yes − z_no. Default 'probability'. */
  bprOn?: 'probability' | 'logit';
}

export interface AnswerLoss {
  /** Mean over the rows. */
  loss: number;
  /** [B] */
  rows: Reference;
}

interface RowTerms {
  start: number;
  label: number;
  /** Log-odds of each answer against everything else: z − log Σ exp(the others). */
  yesLogOdds: number;
  noLogOdds: number;
  /** log Σ exp of all logits but one answer's. */
  withoutYes: number;
  withoutNo: number;
  margin: number;
}

function requireAnswer({ logits, yesToken, noToken, labels }: AnswerInputs): [rows: number, vocab: number] {
  requireShape(logits, [labels.length, -1], 'answer logits');
  const [rows, vocab] = logits.shape as [number, number];
  for (const token of [yesToken, noToken]) {
    if (!Number.isInteger(token) || token < 0 || token >= vocab) {
      throw new RangeError(`answer token ${token} is outside a vocabulary of ${vocab}`);
    }
  }
  if (yesToken === noToken) throw new RangeError(`both answers are token ${yesToken}`);
  return [rows, vocab];
}

function termsOf(inputs: AnswerInputs, row: number, vocab: number): RowTerms {
  const { logits, yesToken, noToken, labels } = inputs;
  const start = row * vocab;
  const values = logits.data.subarray(start, start + vocab);
  const withoutYes = logSumExpOf(values, [yesToken]);
  const withoutNo = logSumExpOf(values, [noToken]);
  return {
    start,
    label: labels[row]!,
    yesLogOdds: values[yesToken]! - withoutYes,
    noLogOdds: values[noToken]! - withoutNo,
    withoutYes,
    withoutNo,
    margin: values[yesToken]! - values[noToken]!,
  };
}

/** −t·log σ(u) − (1−t)·log(1−σ(u)) */
function binaryCrossEntropy(logOdds: number, target: number): number {
  return target * softplus(-logOdds) + (1 - target) * softplus(logOdds);
}

/** d/du of the above: σ(u) − t, written so that it does not cancel where the answer is right and certain. */
function binaryCrossEntropySlope(logOdds: number, target: number): number {
  return (1 - target) * logistic(logOdds) - target * logistic(-logOdds);
}

/**
 * Eq. 5: BCE(p_yes, y) + BCE(p_no, 1−y) + k·BPR with p the softmax over the whole vocabulary and
 * BPR = −log σ(±(s_yes − s_no)), + for y = 1. Everything is written in log-odds, so it stays exact at |z| = 80.
 * `score` [B] = p_yes / (p_yes + p_no); `margin` [B] = z_yes − z_no; `rest` [B] = log-sum-exp of all other tokens.
 */
export function eq5(
  inputs: AnswerInputs,
  options: Eq5Options = {},
): AnswerLoss & { score: Reference; margin: Reference; rest: Reference } {
  const { k = 2, bprOn = 'probability' } = options;
  const [rows, vocab] = requireAnswer(inputs);
  const losses = zeros([rows]);
  const score = zeros([rows]);
  const margin = zeros([rows]);
  const rest = zeros([rows]);
  for (let row = 0; row < rows; row++) {
    const terms = termsOf(inputs, row, vocab);
    const { label } = terms;
    const advantage = bprOn === 'logit' ? terms.margin : logistic(terms.yesLogOdds) - logistic(terms.noLogOdds);
    const sign = label > 0.5 ? 1 : -1;
    losses.data[row] =
      binaryCrossEntropy(terms.yesLogOdds, label) +
      binaryCrossEntropy(terms.noLogOdds, 1 - label) +
      k * softplus(-sign * advantage);
    score.data[row] = logistic(terms.margin);
    margin.data[row] = terms.margin;
    const values = inputs.logits.data.subarray(terms.start, terms.start + vocab);
    rest.data[row] = logSumExpOf(values, [inputs.yesToken, inputs.noToken]);
  }
  return { ...meanOf(losses), score, margin, rest };
}

/** Gradient of Σ_r weights[r]·loss[r] with respect to the logits [B, vocab]; weights default to 1/B (the mean). */
export function eq5Backward(inputs: AnswerInputs, options: Eq5Options = {}, weights?: Reference): Reference {
  const { k = 2, bprOn = 'probability' } = options;
  const { logits, yesToken, noToken } = inputs;
  const [rows, vocab] = requireAnswer(inputs);
  const upstream = weights ?? meanWeights(rows);
  requireShape(upstream, [rows], 'eq5 weights');
  const gradient = zeros(logits.shape);
  for (let row = 0; row < rows; row++) {
    const terms = termsOf(inputs, row, vocab);
    const { start, label } = terms;
    const yes = logistic(terms.yesLogOdds);
    const no = logistic(terms.noLogOdds);
    const onProbability = bprOn === 'probability';
    const sign = label > 0.5 ? 1 : -1;
    const advantage = onProbability ? yes - no : terms.margin;
    const ranking = -k * sign * logistic(-sign * advantage);
    // Gradients with respect to the two log-odds. For the ranking on probabilities, dp/du = p(1−p).
    const yesRanking = onProbability ? ranking * yes * logistic(-terms.yesLogOdds) : 0;
    const noRanking = onProbability ? ranking * no * logistic(-terms.noLogOdds) : 0;
    const yesOdds = binaryCrossEntropySlope(terms.yesLogOdds, label) + yesRanking;
    const noOdds = binaryCrossEntropySlope(terms.noLogOdds, 1 - label) - noRanking;
    const factor = upstream.data[row]!;
    // u_yes = z_yes − log Σ_{j≠yes} exp z_j, so du_yes/dz_j = −exp(z_j − that sum) for the others.
    for (let j = 0; j < vocab; j++) {
      const z = logits.data[start + j]!;
      const throughYes = j === yesToken ? 1 : -Math.exp(z - terms.withoutYes);
      const throughNo = j === noToken ? 1 : -Math.exp(z - terms.withoutNo);
      gradient.data[start + j] = factor * (yesOdds * throughYes + noOdds * throughNo);
    }
    if (!onProbability) {
      gradient.data[start + yesToken]! += factor * ranking;
      gradient.data[start + noToken]! -= factor * ranking;
    }
  }
  return gradient;
}

/** CoLLM's loss: binary cross entropy with logits on the raw Yes logit; `score` [B] is that logit. */
export function yesLogitBce(inputs: AnswerInputs): AnswerLoss & { score: Reference } {
  const [rows, vocab] = requireAnswer(inputs);
  const score = reference([rows], (row) => inputs.logits.data[row * vocab + inputs.yesToken]!);
  const losses = reference([rows], (row) => binaryCrossEntropy(score.data[row]!, inputs.labels[row]!));
  return { ...meanOf(losses), score };
}

/** Gradient of Σ_r weights[r]·loss[r] of `yesLogitBce` with respect to the logits; weights default to 1/B. */
export function yesLogitBceBackward(inputs: AnswerInputs, weights?: Reference): Reference {
  const [rows, vocab] = requireAnswer(inputs);
  const upstream = weights ?? meanWeights(rows);
  const gradient = zeros(inputs.logits.shape);
  for (let row = 0; row < rows; row++) {
    const at = row * vocab + inputs.yesToken;
    gradient.data[at] = upstream.data[row]! * (logistic(inputs.logits.data[at]!) - inputs.labels[row]!);
  }
  return gradient;
}

/** Cross entropy of the answer token: yes for label 1, no for label 0. `score` [B] = p_yes / (p_yes + p_no). */
export function answerCrossEntropy(inputs: AnswerInputs): AnswerLoss & { score: Reference } {
  const [rows, vocab] = requireAnswer(inputs);
  const { data } = inputs.logits;
  const score = reference([rows], (row) =>
    logistic(data[row * vocab + inputs.yesToken]! - data[row * vocab + inputs.noToken]!),
  );
  return { ...meanOf(crossEntropy(inputs.logits, targetsOf(inputs))), score };
}

/** Gradient of Σ_r weights[r]·loss[r] of `answerCrossEntropy` with respect to the logits; weights default to 1/B. */
export function answerCrossEntropyBackward(inputs: AnswerInputs, weights?: Reference): Reference {
  const [rows] = requireAnswer(inputs);
  return crossEntropyBackward(inputs.logits, targetsOf(inputs), weights ?? meanWeights(rows));
}

function targetsOf({ labels, yesToken, noToken }: AnswerInputs): number[] {
  return Array.from(labels, (label) => (label > 0.5 ? yesToken : noToken));
}

function meanWeights(rows: number): Reference {
  return reference([rows], () => 1 / rows);
}

function meanOf(rows: Reference): AnswerLoss {
  return { loss: rows.data.reduce((total, value) => total + value, 0) / rows.data.length, rows };
}
