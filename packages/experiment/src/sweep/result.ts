/** What a sweep found: its trials, best first, and what mattered. */
import type { ErrorCode } from '@crossgate/core';
import type { SplitMetrics } from '@crossgate/eval';
import type { HalvingRound } from './halving';
import { explainedShare, groupsOf } from './importance';
import type { BudgetUnit, SweepObjective } from './objective';
import type { SweepKey } from './space';

/** One trial. Metrics are of the validation rows. */
export interface SweepTrial {
  /** Number of the trial, from 1, in the order in which trials began. */
  readonly trial: number;
  /** Value of each key that is searched and that the trial's method reads. */
  readonly values: Readonly<Record<string, unknown>>;
  /** `stopped`: ended before its training did, since others were better. `waiting`: the sweep has not come to it. */
  readonly status: 'done' | 'stopped' | 'failed' | 'waiting';
  /** Why it failed, or was stopped. */
  readonly reason: string | null;
  /** Code of the failure, see docs/errors.md. */
  readonly code: ErrorCode | null;
  /** The objective: of the finished run, or of a stopped one as far as it came. */
  readonly value: number | null;
  /** The objective after the first round of halving, where all trials were trained as far; without halving as `value`. */
  readonly firstValue: number | null;
  /** AUC. */
  readonly auc: number | null;
  /** DeLong's 95 % interval of the AUC; null for a stopped trial. */
  readonly auc95: readonly [number, number] | null;
  /** Mean AUC of users. */
  readonly uauc: number | null;
  /** Log loss; null for a stopped trial. */
  readonly logLoss: number | null;
  /** Epochs or rows that it was trained on, in the unit of the sweep; null without one. */
  readonly trained: number | null;
  /** Last round of halving that it took part in, from 1; null without halving. */
  readonly round: number | null;
  /** Seconds of all its runs; null where nothing was kept. */
  readonly seconds: number | null;
  /** Its run folder, that of its last round; null where there is none. */
  readonly run: string | null;
}

/** How much one key explains. */
export interface SweepImportance {
  /** The key. */
  readonly key: string;
  /** See {@link explainedShare}; null where trials are too few. */
  readonly share: number | null;
}

/** The winner. */
export interface SweepBest {
  /** Number of the trial. */
  readonly trial: number;
  /** Its values. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The objective on valid. As the best of many it is too high by chance. */
  readonly value: number;
  /** Its run folder. */
  readonly run: string;
  /** The config for `crossgate train`. */
  readonly config: string;
  /** Other trials whose AUC lies within its 95 % interval; null for another objective. */
  readonly within: number | null;
  /** Metrics of the test rows, where they were asked for: scored once, after the choice. */
  readonly test: SplitMetrics | null;
}

/** What `sweep.json` holds. */
export interface Sweep {
  /** Folder of the sweep, as the user gave it. */
  readonly out: string;
  /** The config that was varied. */
  readonly config: string;
  /** How values were chosen. */
  readonly strategy: 'grid' | 'random';
  /** Seed of the draws. */
  readonly seed: number;
  /** What is maximized, on valid. */
  readonly objective: SweepObjective;
  /** How bad trials end early. */
  readonly early: 'halving' | 'median' | null;
  /** Rounds of halving; empty without. */
  readonly rounds: readonly HalvingRound[];
  /** What `trained` and the rounds' `budget` count; null where trials differ, or nothing is trained step by step. */
  readonly unit: BudgetUnit | null;
  /** What was searched. */
  readonly keys: readonly SweepKey[];
  /** The trials: by round and objective, best first, then those without a value. */
  readonly trials: readonly SweepTrial[];
  /** Each key, what explains most first. */
  readonly importance: readonly SweepImportance[];
  /** The winner; null until a trial has finished. */
  readonly best: SweepBest | null;
  /** Seconds of all trials. */
  readonly seconds: number;
}

/** Trials in the order of a table: those that came further first, then by the objective, then as they began. */
export function ranked(trials: readonly SweepTrial[]): SweepTrial[] {
  const kinds = ['done', 'stopped', 'failed', 'waiting'] as const;
  const hasValue = ({ value }: SweepTrial) => (value === null ? 1 : 0);
  return [...trials].sort(
    (a, b) =>
      hasValue(a) - hasValue(b) ||
      (b.round ?? 0) - (a.round ?? 0) ||
      (b.value ?? 0) - (a.value ?? 0) ||
      kinds.indexOf(a.status) - kinds.indexOf(b.status) ||
      a.trial - b.trial,
  );
}

/** What each key explains of the trials that have a value, what explains most first. */
export function importanceOf(trials: readonly SweepTrial[], keys: readonly SweepKey[]): SweepImportance[] {
  return keys
    .map(({ key }) => {
      const own = trials.filter(({ firstValue, values }) => firstValue !== null && Object.hasOwn(values, key));
      const objective = own.map(({ firstValue }) => firstValue!);
      return { key, share: explainedShare(objective, groupsOf(own.map(({ values }) => values[key]))) };
    })
    .sort((a, b) => (b.share ?? -1) - (a.share ?? -1));
}
