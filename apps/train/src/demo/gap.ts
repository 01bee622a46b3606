/** How much of the gap between CCF-LLM's better parent and the full oracle it closes, and whether that is more than chance. */
import { deLongTest } from '@crossgate/eval';

/** Scores of the same rows by CCF-LLM, its parents and the full oracle. */
export interface GapInput {
  readonly label: Uint8Array;
  readonly ccf: Float64Array;
  readonly parents: readonly { readonly key: string; readonly name: string; readonly score: Float64Array }[];
  readonly full: Float64Array;
}

/** The comparison that the demo is about. AUCs are of the test rows. */
export interface DemoGap {
  /** Key of the better parent. */
  readonly parent: string;
  readonly parentName: string;
  readonly parentAuc: number;
  readonly ccfAuc: number;
  readonly fullAuc: number;
  /** (CCF-LLM − parent) / (full oracle − parent): negative when it is worse, null when the parent has no gap left. */
  readonly closed: number | null;
  /** CCF-LLM − parent, with DeLong's interval for scores of the same rows. */
  readonly difference: number;
  readonly paired95: readonly [number, number];
  /** At least half of the gap is closed, and the interval lies above 0. */
  readonly holds: boolean;
}

/** The share of the gap that is to be closed. */
const WANTED = 0.5;

/** @returns null when the rows have fewer than two of a class: nothing can be compared */
export function measureGap({ label, ccf, parents, full }: GapInput): DemoGap | null {
  let best: { parent: GapInput['parents'][number]; test: NonNullable<ReturnType<typeof deLongTest>> } | undefined;
  for (const parent of parents) {
    const test = deLongTest(label, ccf, parent.score);
    if (test !== null && (best === undefined || test.aucB > best.test.aucB)) best = { parent, test };
  }
  const ceiling = deLongTest(label, full, ccf);
  if (best === undefined || ceiling === null) return null;
  const { parent, test } = best;
  const room = ceiling.aucA - test.aucB;
  const closed = room > 0 ? test.difference / room : null;
  return {
    parent: parent.key,
    parentName: parent.name,
    parentAuc: test.aucB,
    ccfAuc: test.aucA,
    fullAuc: ceiling.aucA,
    closed,
    difference: test.difference,
    paired95: test.interval,
    holds: closed !== null && closed >= WANTED && test.interval[0] > 0,
  };
}

/** A number between −1 and 1 as .123 or −.045. */
export function short(value: number, digits = 3): string {
  return value
    .toFixed(digits)
    .replace(/^(-?)0\./, '$1.')
    .replace('-', '−');
}

/** The outcome in one plain sentence, which says so when the claim does not hold. */
export function gapSentence(gap: DemoGap | null): string {
  if (gap === null) return 'The test rows have one class only, so nothing can be compared.';
  const { parentName, parentAuc, ccfAuc, fullAuc, closed, difference, paired95, holds } = gap;
  const sign = difference > 0 ? '+' : '';
  const paired = `paired difference ${sign}${short(difference)} [${short(paired95[0])}, ${short(paired95[1])}]`;
  const against = `CCF-LLM ${short(ccfAuc)} against its better parent, ${parentName} ${short(parentAuc)}`;
  const oracle = `the full oracle (${short(fullAuc)})`;
  const share = closed === null ? '' : `${Math.round(100 * closed)} %`;
  if (holds) return `${against}: closes ${share} of the gap to ${oracle}, ${paired}.`;
  if (closed === null)
    return `${against}: the parent is no worse than ${oracle} on these rows, so no gap is left; ${paired}.`;
  if (difference <= 0) return `${against}: it is NOT better and closes nothing of the gap to ${oracle}; ${paired}.`;
  if (paired95[0] <= 0) {
    return `${against}: ${share} of the gap to ${oracle}, but the difference may be chance, so this run does NOT show that fusing helps; ${paired}.`;
  }
  return `${against}: better than either parent, but it closes only ${share} of the gap to ${oracle}, NOT half of it; ${paired}.`;
}
