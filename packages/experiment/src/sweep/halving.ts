/** Successive halving: many trials for a short while, the best of them for longer. Pure functions. */

/** One round. */
export interface HalvingRound {
  /** Trials that take part. */
  readonly trials: number;
  /** How far each is trained in all, in units of the budget. */
  readonly budget: number;
}

/** How many trials go on, and how far. */
export interface HalvingOptions {
  /** Of all trials of a round, one in so many goes on, so many times as far. At least 2. */
  readonly factor: number;
  /** How far the trials of the last round are trained. At least 1. */
  readonly budget: number;
  /** The least budget of the first round; default: what leaves one trial or more in the last round. */
  readonly first?: number | undefined;
}

/**
 * The rounds of successive halving (Jamieson & Talwalkar, AISTATS 2016). Round i of k has ⌊trials / factorⁱ⌋ trials, each
 * trained up to budget / factorᵏ⁻ⁱ, rounded; the last has the whole budget. k is as large as possible with a trial left in
 * the last round and a first budget of at least `first`.
 * @param trials at least 1
 */
export function halvingRounds(trials: number, { factor, budget, first = 1 }: HalvingOptions): HalvingRound[] {
  let last = 0;
  while (trials >= factor ** (last + 1) && budget >= first * factor ** (last + 1)) last++;
  return Array.from({ length: last + 1 }, (_, round) => ({
    trials: Math.floor(trials / factor ** round),
    budget: Math.round(budget / factor ** (last - round)),
  }));
}
