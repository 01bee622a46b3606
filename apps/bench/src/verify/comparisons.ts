/**
 * Records every comparison with a reference, without ending the test at the first that is off: all variants are seen.
 */
import type { VerifyResult } from './rows';
import type { Listener } from './vitest';

/** Numbers as the references hold them: an array, or an object with `data`. */
type Values = ArrayLike<number> | { readonly data: ArrayLike<number> };
type Tolerance = { readonly relative?: number; readonly absolute?: number; readonly label?: string };
type Compare = (actual: Values, expected: Values, tolerance?: Tolerance) => void;

const numbersOf = (values: Values): ArrayLike<number> => ('data' in values ? values.data : values);

/** Where the difference comes closest to what is allowed, or exceeds it most. Equal infinities and NaNs differ by 0. */
export function worstDifference(
  actual: Values,
  expected: Values,
  { relative = 1e-5, absolute = 1e-6 }: Tolerance = {},
): { readonly maxError: number; readonly tolerance: number } {
  const [a, e] = [numbersOf(actual), numbersOf(expected)];
  let worst = { maxError: 0, tolerance: absolute };
  let share = -1;
  for (let i = 0; i < e.length; i++) {
    if (Object.is(a[i], e[i]) || a[i] === e[i]) continue;
    const difference = Math.abs(a[i]! - e[i]!);
    const allowed = absolute + relative * Math.abs(e[i]!);
    const ratio =
      Number.isFinite(difference) && Number.isFinite(allowed) ? difference / allowed : Number.POSITIVE_INFINITY;
    if (ratio <= share) continue;
    share = ratio;
    worst = { maxError: difference, tolerance: allowed };
  }
  return worst;
}

interface OpenTest {
  readonly name: string;
  readonly rows: Map<string, VerifyResult>;
  since: number;
}

let open: OpenTest | undefined;

/** Wraps a comparison that throws: the verdict stays its own, what it saw goes into the open test's results. */
export function recorded(compare: Compare): Compare {
  return (actual, expected, options = {}) => {
    let message: string | undefined;
    try {
      compare(actual, expected, options);
    } catch (error) {
      message = error instanceof Error ? error.message : String(error);
    }
    if (open === undefined) {
      if (message !== undefined) throw new Error(message);
      return;
    }
    add(open, options.label ?? 'values', worstDifference(actual, expected, options), message);
  };
}

/** Several comparisons of a test under one label become one row: the worst. */
function add(
  test: OpenTest,
  shape: string,
  { maxError, tolerance }: ReturnType<typeof worstDifference>,
  message: string | undefined,
): void {
  const now = performance.now();
  const before = test.rows.get(shape);
  const ms = now - test.since + (before?.ms ?? 0);
  test.since = now;
  const row = { kernel: '', variant: test.name, shape, maxError, tolerance, ok: message === undefined, ms };
  const next = message === undefined ? row : { ...row, message };
  const keep = before !== undefined && (!before.ok || (next.ok && shareOf(before) >= shareOf(next)));
  test.rows.set(shape, keep ? { ...before, ms } : next);
}

const shareOf = ({ maxError, tolerance }: VerifyResult) => (maxError === 0 ? 0 : (maxError ?? 0) / (tolerance ?? 1));

/** A listener that gives the results of each test of `kernel` to `onResults` when the test ends. */
export function recordTests(kernel: string, onResults: (results: VerifyResult[]) => void): Listener {
  return {
    start(name) {
      open = { name, rows: new Map(), since: performance.now() };
    },
    end({ error, skipped }) {
      const { name, rows, since } = open!;
      open = undefined;
      const results = [...rows.values()].map((row) => ({ ...row, kernel }));
      if (results.length === 0 || error !== undefined || skipped !== undefined) {
        const ms = performance.now() - since;
        results.push({
          ...{ kernel, variant: name, shape: '', maxError: null, tolerance: null, ok: error === undefined, ms },
          ...(error !== undefined && { message: error instanceof Error ? error.message : String(error) }),
          ...(skipped !== undefined && { skipped }),
        });
      }
      onResults(results);
    },
  };
}
