/** Whether CCF-LLM gains from collaborative filtering: paired tests against its controls, on resamples of users. */
import { holmAdjust, pairedBootstrapTest } from '@crossgate/eval';
import { paperExperiment } from './experiments';
import { type Resampled, resamples } from './resampled';

/** The experiment of which the claim speaks. */
const CLAIMED = 'ccf-lightgcn';

/** The experiments that it must beat before its gain is called one of collaborative filtering. */
const CONTROLS: readonly string[] = [
  'ccf-lightgcn-permuted-items',
  'ccf-lightgcn-permuted-users',
  'ccf-lightgcn-random-vectors',
  'ccf-lightgcn-permuted-at-evaluation',
  'tallrec-twice',
];

/** A metric of CCF-LLM against a control, on the same resamples of users. */
export interface PairedDifference {
  /** CCF-LLM − control, of means over the seeds. */
  readonly difference: number;
  /** 95 % percentile interval of the difference over the resamples. */
  readonly interval: readonly [number, number];
  /** Two-sided p-value, see `pairedBootstrapTest` of `@crossgate/eval`. */
  readonly pValue: number;
  /** The same after Holm's correction over the controls, for each metric by itself. */
  readonly pHolm: number;
}

/** CCF-LLM against one control. */
export interface ControlTest {
  /** Key of the control. */
  readonly control: string;
  /** As tables name it. */
  readonly label: string;
  /** AUC; null where it is not defined. */
  readonly auc: PairedDifference | null;
  /** Mean AUC of users; null where it is not defined. */
  readonly uauc: PairedDifference | null;
}

/**
 * Whether CCF-LLM gains from collaborative filtering: it must beat each control in AUC and in UAUC by the paired test
 * over users.
 */
export interface ControlledClaim {
  /** Name of the data set. */
  readonly dataset: string;
  /** As tables name the experiment of which it speaks. */
  readonly label: string;
  /** Every control is beaten, in AUC and in UAUC, each with p below .05 after Holm's correction. */
  readonly holds: boolean;
  /** Number of resamples of users. */
  readonly samples: number;
  /** One per control. */
  readonly tests: readonly ControlTest[];
}

/**
 * Tests CCF-LLM against its controls.
 * @param resampledOf what was made of an experiment; null where it was not
 * @returns null where an experiment that the claim needs was not made
 * @throws Error where two of them scored different rows
 */
export function testControls(
  dataset: string,
  resampledOf: (experiment: string) => Resampled | null,
): ControlledClaim | null {
  const own = resampledOf(CLAIMED);
  const controls = CONTROLS.map((control) => ({ control, resampled: resampledOf(control) }));
  if (own === null) return null;
  const others: { readonly control: string; readonly resampled: Resampled }[] = [];
  for (const { control, resampled } of controls) {
    if (resampled === null) return null;
    if (resampled.rowsHash !== own.rowsHash) throw new Error(`${control} and ${CLAIMED} scored different test rows`);
    others.push({ control, resampled });
  }
  const differencesIn = (metric: 'auc' | 'uauc') =>
    withHolm(others.map(({ resampled }) => differenceOf(own[metric], resampled[metric])));
  const [auc, uauc] = [differencesIn('auc'), differencesIn('uauc')];
  const tests = others.map(({ control }, index) => ({
    ...{ control, label: paperExperiment(control).label },
    ...{ auc: auc[index]!, uauc: uauc[index]! },
  }));
  const isAbove = (test: PairedDifference | null) => test !== null && test.difference > 0 && test.pHolm < 0.05;
  const holds = tests.every((test) => isAbove(test.auc) && isAbove(test.uauc));
  return { dataset, label: paperExperiment(CLAIMED).label, holds, samples: resamples.samples, tests };
}

function differenceOf(own: Resampled['auc'], other: Resampled['auc']) {
  const test = pairedBootstrapTest(own.replicates, other.replicates);
  if (test === null || own.estimate === null || other.estimate === null) return null;
  const { interval, pValue } = test;
  return { difference: own.estimate - other.estimate, interval, pValue };
}

/** Corrects the p-values of the tests that there are. */
function withHolm(tests: readonly (Omit<PairedDifference, 'pHolm'> | null)[]): (PairedDifference | null)[] {
  const adjusted = holmAdjust(tests.flatMap((test) => (test === null ? [] : [test.pValue])));
  let next = 0;
  return tests.map((test) => (test === null ? null : { ...test, pHolm: adjusted[next++]! }));
}
