// The standard normal distribution: tail probabilities and quantiles, to about 1e-14 relative.

import { InputError } from '@crossgate/core';

function density(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** P(Z > x) for a standard normal Z, to about 1e-14 relative (series of Marsaglia 2004; Mills' ratio in the tail). */
export function normalUpperTail(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  if (x < 0) return 1 - normalUpperTail(-x);
  if (x > 40) return 0;
  if (x < 3) {
    // Φ(x) − ½ = φ(x) · (x + x³/3 + x⁵/(3·5) + …), all terms positive (Marsaglia 2004).
    let term = x;
    let sum = x;
    for (let odd = 3; term > sum * 1e-17; odd += 2) {
      term *= (x * x) / odd;
      sum += term;
    }
    return 0.5 - density(x) * sum;
  }
  // Mills' ratio as a continued fraction, 1/(x + 1/(x + 2/(x + 3/(…)))); 200 levels are ample from 3 on.
  let fraction = x;
  for (let level = 200; level >= 1; level--) fraction = x + level / fraction;
  return density(x) / fraction;
}

/** The x with P(Z ≤ x) = `probability` for a standard normal Z. @throws InputError unless 0 < probability < 1. */
export function normalQuantile(probability: number): number {
  if (!(probability > 0 && probability < 1)) throw new InputError(`probability must lie in (0, 1), got ${probability}`);
  if (probability < 0.5) return -normalQuantile(1 - probability);
  // The upper tail decreases in x: bisect until the interval cannot shrink.
  let low = 0;
  let high = 40;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return middle;
    if (normalUpperTail(middle) > 1 - probability) low = middle;
    else high = middle;
  }
}
