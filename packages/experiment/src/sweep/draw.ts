/** The points of a search space: every combination of a grid, or points drawn by a seed. */
import { type Random, seededRandom } from '@crossgate/eval';
import type { SweepKey, SweepRange } from './space';

/** One point: the text of each key's value, as `--set` takes it. */
export type SweepPoint = Readonly<Record<string, string>>;

const valuesOf = ({ values }: SweepKey) => values ?? [];

/** Every combination of a grid; the last key changes fastest. */
export function gridPoints(keys: readonly SweepKey[]): SweepPoint[] {
  return keys.reduce<SweepPoint[]>(
    (points, key) => points.flatMap((point) => valuesOf(key).map((value) => ({ ...point, [key.key]: value }))),
    [{}],
  );
}

/** Digits that a drawn number keeps: enough to search, few enough to read. */
const DIGITS = 4;

/** 0 … 1, both ends. */
const share = (random: Random) => random.below(2 ** 32) / (2 ** 32 - 1);

function drawNumber({ low, high, log, whole }: SweepRange, random: Random): string {
  if (whole && !log) return String(low + random.below(high - low + 1));
  const at = share(random);
  const value = log ? low * (high / low) ** at : low + (high - low) * at;
  const rounded = whole ? Math.round(value) : Number(value.toPrecision(DIGITS));
  return String(Math.min(high, Math.max(low, rounded)));
}

/** Draws after which a space counts as used up: nothing new came for that long. */
const PATIENCE = 1000;

/**
 * Points drawn independently and uniformly, ranges with `log` by their logarithm. The same seed gives the same points, and
 * more of them begin with the fewer. No point comes twice.
 * @param count points wanted; a small space of lists may have fewer
 */
export function randomPoints(keys: readonly SweepKey[], count: number, seed: number): SweepPoint[] {
  const random = seededRandom(seed);
  const points = new Map<string, SweepPoint>();
  for (let misses = 0; points.size < count && misses < PATIENCE; ) {
    const point = Object.fromEntries(
      keys.map(({ key, values, range }) => [
        key,
        range === null ? values![random.below(values!.length)]! : drawNumber(range, random),
      ]),
    );
    const name = JSON.stringify(point);
    misses = points.has(name) ? misses + 1 : 0;
    points.set(name, point);
  }
  return [...points.values()];
}
