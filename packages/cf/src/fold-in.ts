/**
 * Solves for the vector of a user that a model was not trained on. The vectors of items stay as they are, so the
 * training loss, with its L2 decay, is a convex problem in the user's parameters alone.
 */
import type { CfLoss } from './loss-names';

/** What a user clicked on, as dense ids of items. */
export interface Clicks {
  /** Liked items. */
  readonly liked: ArrayLike<number>;
  /** Disliked items; losses on positives do not read them. */
  readonly disliked: ArrayLike<number>;
}

/** What a user's parameters are before any click: a normal distribution of each. */
export interface UserPrior {
  /** [width] what the parameters are pulled to. */
  readonly start: Float64Array;
  /** [width] weights of the pull, above 0: half of each times the squared distance is added to the loss. */
  readonly decay: Float64Array;
}

/** What a user is solved by. */
export interface FoldInLoss {
  /** The loss on rows that the model was trained with. */
  readonly loss: CfLoss;
  /**
   * A training on N rows with weight decay λ minimizes the sum over rows of the loss plus N · λ / 2 times the squares of
   * the parameters: this is N · λ. Default 0.
   */
  readonly decay?: number;
  /** In the place of the prior that follows from both and from the trained users. */
  readonly prior?: UserPrior;
}

/** A user's vector and bias that were solved for. */
export interface FoldedUser {
  /** [cfDim]. */
  readonly vector: Float32Array;
  /** Added to every logit of the user: the user's own bias, and that of all; 0 in models without. */
  readonly bias: number;
}

/** Solves for users of one model, on the host. */
export interface UserFolding {
  /**
   * The vector that a user would have, or null where the loss learns nothing from these clicks. Items without train
   * rows are not counted, and of an item that is there twice the later label counts.
   */
  fold(clicks: Clicks): FoldedUser | null;
}

/** What {@link foldIn} solves. */
export interface FoldInProblem {
  /** The loss on rows that the model was trained with. */
  readonly loss: CfLoss;
  /** What pulls the parameters; its length is their number. */
  readonly prior: UserPrior;
  /** [items + 1, width] what the parameters are multiplied with, by dense id. */
  readonly features: Float32Array;
  /** The part of an item's logit that does not depend on them, by dense id. */
  readonly offset: (item: number) => number;
  /** Dense ids of the items that negatives are drawn from, ascending. */
  readonly pool: Int32Array;
  /** Dense ids of the user's items, each once. */
  readonly liked: readonly number[];
  /** Dense ids, none of `liked`. */
  readonly disliked: readonly number[];
}

/** Most negatives or pairs that stand for all in losses with sampled ones. */
const SAMPLES = 512;
const STEPS = 30;
/** A step that changes no parameter by more ends the search. */
const TOLERANCE = 1e-7;

/** Rows of a logistic regression: features, offset, label and weight of each. */
interface Rows {
  readonly features: Float64Array;
  readonly offset: number[];
  readonly label: number[];
  readonly weight: number[];
}

/**
 * The parameters x of a user that minimize, by Newton's method in float64,
 *
 *   Σ_e ℓ_e(x) + Σ_c decay_c / 2 · (x_c − start_c)²
 *
 * over the user's events e, where the logit of item i is z_i = features_i · x + offset_i and ℓ is the training loss:
 * `bce` softplus(±z) of likes and dislikes; of each like i, `sampled-bce` softplus(−z_i) + mean_j softplus(z_j), `bpr`
 * mean_j softplus(z_j − z_i), `softmax` −log of the share of exp z_i among all. Items j are those of `pool` that the
 * user does not like, of which evenly chosen ones stand for all where there are more than some hundreds.
 *
 * @returns the parameters, or null where the loss reads none of the clicks.
 */
export function foldIn(problem: FoldInProblem): Float64Array | null {
  const { loss, liked, disliked, prior } = problem;
  const { start, decay } = prior;
  const width = start.length;
  if (liked.length + (loss === 'bce' ? disliked.length : 0) === 0) return null;
  const objective = loss === 'softmax' ? softmaxOf(problem) : logisticOf(rowsOf(problem), prior);
  if (objective === null) return null;
  const pulled = (at: Float64Array): number => {
    let square = 0;
    for (let c = 0; c < width; c++) square += decay[c]! * (at[c]! - start[c]!) ** 2;
    return objective.value(at) + square / 2;
  };
  let x = Float64Array.from(start);
  let value = pulled(x);
  for (let step = 0; step < STEPS; step++) {
    const direction = objective.direction(x);
    let [size, next, least] = [1, x, value];
    // The loss is convex, so a shorter step of this direction always lowers it.
    for (; size > 1e-6; size /= 2) {
      next = x.map((old, c) => old - size * direction[c]!);
      least = pulled(next);
      if (least <= value) break;
    }
    if (size <= 1e-6) break;
    [x, value] = [next, least];
    if (direction.every((change) => Math.abs(change) < TOLERANCE)) break;
  }
  return x;
}

/** A loss of a user's parameters. */
interface Objective {
  /** The loss at a point, without the pull of the prior. */
  value(x: Float64Array): number;
  /** Newton's step: the inverse of the Hessian times the gradient, both with the pull of the prior. */
  direction(x: Float64Array): Float64Array;
}

/** Rows of one logistic regression that stand for the loss. */
function rowsOf(problem: FoldInProblem): Rows | null {
  const { loss, liked, disliked, features, offset: offsetOf, prior } = problem;
  const width = prior.start.length;
  type Row = readonly [of: number, less: number, label: number, weight: number];
  const rows: Row[] = [];
  if (loss === 'bce') {
    for (const item of liked) rows.push([item, 0, 1, 1]);
    for (const item of disliked) rows.push([item, 0, 0, 1]);
  } else if (loss === 'sampled-bce') {
    const others = negativesOf(problem, SAMPLES);
    if (others.length === 0) return null;
    for (const item of liked) rows.push([item, 0, 1, 1]);
    for (const item of others) rows.push([item, 0, 0, liked.length / others.length]);
  } else {
    const others = negativesOf(problem, Number.POSITIVE_INFINITY);
    if (others.length === 0) return null;
    const each = Math.min(others.length, Math.max(4, Math.floor(SAMPLES / liked.length)));
    const pairs = each * liked.length;
    for (const [n, item] of liked.entries()) {
      // Each like has negatives of its own, so that together they are spread over all.
      for (let k = 0; k < each; k++) {
        const at = each === others.length ? k : Math.floor(((k * liked.length + n) * others.length) / pairs);
        rows.push([item, others[at]!, 1, 1 / each]);
      }
    }
  }
  const values = new Float64Array(rows.length * width);
  const offset: number[] = [];
  for (const [row, [of, less]] of rows.entries()) {
    for (let c = 0; c < width; c++) {
      values[row * width + c] = features[of * width + c]! - (less === 0 ? 0 : features[less * width + c]!);
    }
    offset.push(offsetOf(of) - (less === 0 ? 0 : offsetOf(less)));
  }
  return { features: values, offset, label: rows.map((row) => row[2]), weight: rows.map((row) => row[3]) };
}

/** Evenly chosen items of the pool that the user does not like. */
function negativesOf({ pool, liked }: FoldInProblem, most: number): Int32Array {
  const likes = new Set(liked);
  const others = pool.filter((item) => !likes.has(item));
  if (others.length <= most) return others;
  return Int32Array.from({ length: most }, (_, n) => others[Math.floor((n * others.length) / most)]!);
}

function logisticOf(rows: Rows | null, prior: UserPrior): Objective | null {
  if (rows === null) return null;
  const { features, offset, label, weight } = rows;
  const { start, decay } = prior;
  const [count, width] = [offset.length, start.length];
  const logit = (x: Float64Array, row: number) => {
    const at = row * width;
    let z = offset[row]!;
    for (let c = 0; c < width; c++) z += features[at + c]! * x[c]!;
    return z;
  };
  const value = (x: Float64Array) => {
    let sum = 0;
    for (let row = 0; row < count; row++) {
      const z = logit(x, row);
      sum += weight[row]! * (softplus(z) - label[row]! * z);
    }
    return sum;
  };
  /** The gradient, and the second derivative of each row by its logit. */
  const slopes = (x: Float64Array) => {
    const gradient = decay.map((own, c) => own * (x[c]! - start[c]!));
    const curve = new Float64Array(count);
    for (let row = 0; row < count; row++) {
      const p = 1 / (1 + Math.exp(-logit(x, row)));
      curve[row] = weight[row]! * p * (1 - p);
      const slope = weight[row]! * (p - label[row]!);
      for (let c = 0; c < width; c++) gradient[c]! += slope * features[row * width + c]!;
    }
    return { gradient, curve };
  };
  if (count >= width) {
    return {
      value,
      direction(x) {
        const { gradient, curve } = slopes(x);
        const hessian = new Float64Array(width * width);
        for (let c = 0; c < width; c++) hessian[c * width + c] = decay[c]!;
        for (let row = 0; row < count; row++) {
          const at = row * width;
          for (let c = 0; c < width; c++) {
            const scaled = curve[row]! * features[at + c]!;
            for (let d = 0; d <= c; d++) hessian[c * width + d]! += scaled * features[at + d]!;
          }
        }
        return solve(hessian, gradient, width);
      },
    };
  }
  // With fewer rows than parameters, the system of the rows is the smaller one (Woodbury): K = X D⁻¹ Xᵀ, once for all.
  const kernel = new Float64Array(count * count);
  for (let row = 0; row < count; row++) {
    for (let other = 0; other <= row; other++) {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += (features[row * width + c]! * features[other * width + c]!) / decay[c]!;
      kernel[row * count + other] = sum;
    }
  }
  return {
    value,
    direction(x) {
      const { gradient, curve } = slopes(x);
      const root = curve.map(Math.sqrt);
      const step = gradient.map((slope, c) => slope / decay[c]!);
      const system = new Float64Array(count * count);
      const right = new Float64Array(count);
      for (let row = 0; row < count; row++) {
        for (let other = 0; other <= row; other++) {
          system[row * count + other] = root[row]! * kernel[row * count + other]! * root[other]!;
        }
        system[row * count + row]! += 1;
        for (let c = 0; c < width; c++) right[row]! += features[row * width + c]! * step[c]!;
        right[row]! *= root[row]!;
      }
      const found = solve(system, right, count);
      for (let row = 0; row < count; row++) {
        const share = root[row]! * found[row]!;
        for (let c = 0; c < width; c++) step[c]! -= (share * features[row * width + c]!) / decay[c]!;
      }
      return step;
    },
  };
}

/** Cross entropy of each like among the pool and the likes. */
function softmaxOf(problem: FoldInProblem): Objective {
  const { prior, features, offset, liked } = problem;
  const { start, decay } = prior;
  const width = start.length;
  const all = [...liked, ...negativesOf(problem, 4 * SAMPLES)];
  const offsets = all.map(offset);
  const logits = (x: Float64Array) => {
    const z = all.map((item, n) => {
      let logit = offsets[n]!;
      for (let c = 0; c < width; c++) logit += features[item * width + c]! * x[c]!;
      return logit;
    });
    const top = Math.max(...z);
    return { z, logTotal: top + Math.log(z.reduce((sum, logit) => sum + Math.exp(logit - top), 0)) };
  };
  return {
    value(x) {
      const { z, logTotal } = logits(x);
      return liked.reduce((sum, _, n) => sum + logTotal - z[n]!, 0);
    },
    direction(x) {
      const { z, logTotal } = logits(x);
      const gradient = decay.map((own, c) => own * (x[c]! - start[c]!));
      const hessian = new Float64Array(width * width);
      const mean = new Float64Array(width);
      for (const [n, item] of all.entries()) {
        const p = Math.exp(z[n]! - logTotal);
        const at = item * width;
        for (let c = 0; c < width; c++) {
          const feature = features[at + c]!;
          mean[c]! += p * feature;
          if (n < liked.length) gradient[c]! -= feature;
          const scaled = liked.length * p * feature;
          for (let d = 0; d <= c; d++) hessian[c * width + d]! += scaled * features[at + d]!;
        }
      }
      for (let c = 0; c < width; c++) {
        gradient[c]! += liked.length * mean[c]!;
        for (let d = 0; d <= c; d++) hessian[c * width + d]! -= liked.length * mean[c]! * mean[d]!;
        hessian[c * width + c]! += decay[c]!;
      }
      return solve(hessian, gradient, width);
    },
  };
}

const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/** Solves H x = b for a positive definite H of which the lower half is given; it is replaced by its Cholesky factor. */
function solve(h: Float64Array, b: Float64Array, width: number): Float64Array {
  for (let c = 0; c < width; c++) {
    for (let d = 0; d <= c; d++) {
      let sum = h[c * width + d]!;
      for (let k = 0; k < d; k++) sum -= h[c * width + k]! * h[d * width + k]!;
      h[c * width + d] = c === d ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / h[d * width + d]!;
    }
  }
  const x = Float64Array.from(b);
  for (let c = 0; c < width; c++) {
    for (let k = 0; k < c; k++) x[c]! -= h[c * width + k]! * x[k]!;
    x[c]! /= h[c * width + c]!;
  }
  for (let c = width - 1; c >= 0; c--) {
    for (let k = c + 1; k < width; k++) x[c]! -= h[k * width + c]! * x[k]!;
    x[c]! /= h[c * width + c]!;
  }
  return x;
}

/** Clicks on items with train rows, each item once, under its later label where it is in both lists. */
export function distinctClicks(
  { liked, disliked }: Clicks,
  itemSeen: Uint8Array,
): { liked: number[]; disliked: number[] } {
  const likes = new Set(Array.from(liked).filter((item) => itemSeen[item] === 1));
  const dislikes = new Set(Array.from(disliked).filter((item) => itemSeen[item] === 1 && !likes.has(item)));
  return { liked: [...likes], disliked: [...dislikes] };
}

/** Dense ids of the items with train rows, ascending. */
export function seenItems(itemSeen: Uint8Array): Int32Array {
  return Int32Array.from(itemSeen.keys()).filter((item) => itemSeen[item] === 1);
}

/** Least mean square of a table: where few users or none were trained, a user still gets a vector. */
const LEAST_SQUARE = 1e-4;

/**
 * The pull on a user's parameters: with the loss `bce` and a weight decay, to the mean of the trained users with the
 * weight of the decay; else to zero with the weight 1 / (mean square of the trained users' values in the table), or
 * that of the decay where it is larger. Of several ways, these rank held-out users best (see docs/results/fold-in).
 *
 * @param tables [users + 1, width] whose columns, side by side, are a user's parameters.
 * @param decay N · λ, see {@link FoldInLoss}.
 */
export function priorOfUsers(
  tables: readonly { readonly values: Float32Array; readonly width: number }[],
  userSeen: Uint8Array,
  loss: CfLoss,
  decay = 0,
): UserPrior {
  const users = [...userSeen.keys()].filter((user) => userSeen[user] === 1);
  const toMean = loss === 'bce' && decay > 0;
  const [start, weights]: [number[], number[]] = [[], []];
  for (const { values, width } of tables) {
    let squares = 0;
    for (const user of users) for (let c = 0; c < width; c++) squares += values[user * width + c]! ** 2;
    const count = Math.max(1, users.length);
    const own = 1 / Math.max(LEAST_SQUARE, users.length === 0 ? 1 : squares / (count * width));
    for (let c = 0; c < width; c++) {
      const mean = users.reduce((sum, user) => sum + values[user * width + c]!, 0) / count;
      start.push(toMean ? mean : 0);
      weights.push(toMean ? decay : Math.max(own, decay));
    }
  }
  return { start: Float64Array.from(start), decay: Float64Array.from(weights) };
}
