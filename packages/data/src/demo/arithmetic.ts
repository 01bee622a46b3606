/** Random numbers and the logistic function from + − × ÷ alone, which IEEE 754 rounds alike on every machine. */
import type { RandomStream } from '../random-stream';

const twoTo32 = 0x100000000;

/** Uniform in (0, 1): one of 2³² equally spaced numbers, exact. */
export function uniform(random: RandomStream): number {
  return (random.uint32() + 0.5) / twoTo32;
}

/** Close to a standard normal number: the sum of twelve uniform ones less six (variance 1, within ±6), exact. */
export function nearlyNormal(random: RandomStream): number {
  let sum = 0;
  for (let draw = 0; draw < 12; draw++) sum += random.uint32();
  return (sum + 6) / twoTo32 - 6;
}

/**
 * 1 / (1 + e^−x) for |x| ≤ 64, to about 1e-15. `Math.exp` may differ in its last bit between engines, and a label
 * drawn with it could differ too; here e^−x is a Taylor sum of −x/64 squared six times.
 */
export function logistic(x: number): number {
  const y = -x / 64;
  let exponential = 1;
  for (let term = 20; term >= 1; term--) exponential = 1 + (exponential * y) / term;
  for (let square = 0; square < 6; square++) exponential *= exponential;
  return 1 / (1 + exponential);
}

/** Shuffles in place (Fisher–Yates) and returns the array. */
export function shuffle<T>(values: T[], random: RandomStream): T[] {
  for (let last = values.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const value = values[last] as T;
    values[last] = values[other] as T;
    values[other] = value;
  }
  return values;
}
