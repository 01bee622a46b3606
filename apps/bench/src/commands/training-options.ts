/** Options of `crossgate-bench training`, of trainings and of steps. */
import type { Precision } from '@crossgate/tensor';
import type { GlobalOptions } from '@crossgate/terminal';
import type { WeightType } from '../training/device-weights';
import type { stepCases } from '../training/step-cases';

export interface TrainingOptions extends GlobalOptions {
  readonly filter?: string;
  /** Timed epochs of each case. */
  readonly epochs?: number;
  /** File for the JSON document. */
  readonly out?: string;
  /** Folder for a profile of each case; true: `profile`. */
  readonly profile?: string | true;
  /** A step of a language model in place of the trainings. The other options below belong to it. */
  readonly step?: keyof typeof stepCases;
  readonly layers?: number;
  /** Tokens of a sequence. */
  readonly tokens?: number;
  readonly sequences?: number;
  readonly weights?: WeightType;
  readonly checkpointing?: boolean;
  /** In which type linear layers multiply. */
  readonly precision?: Precision;
  /** Timed steps. */
  readonly steps?: number;
  /** Counts the step as a large GPU would get it, and measures nothing. */
  readonly count?: boolean;
}
