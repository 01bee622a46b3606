/** What opening a finished run is given, in Node or in a browser. */
import type { Log } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import type { ExperimentConfig } from '../config/schema';

/** A run's config and data, and where its warnings go. */
export interface RunContext {
  /** The checked config. */
  readonly config: ExperimentConfig;
  /** The data set that it was trained on. */
  readonly dataset: Dataset;
  /** Of the session: its log, and the signal that ends work. */
  readonly session: { readonly log: Log; readonly signal: AbortSignal };
}
