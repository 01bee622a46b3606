// Scores of many rows by a hybrid model, in packed batches of bounded size.
import { alone, type Collective, gatherValues, shareOf, someRank } from '@crossgate/collective';
import { InterruptedError } from '@crossgate/core';
import type { Dataset, SplitName } from '@crossgate/data';
import { computeInBatches } from '@crossgate/llm';
import type { YesNoLossOptions } from '@crossgate/tensor';
import type { HybridModel } from './model';
import { type HybridPrompt, type PromptBuilder, promptFor } from './prompt';

/** Settings of {@link scorePrompts}. */
export interface ScoringOptions {
  /** Most tokens of one batch. Default 16,384: enough to fill a device, little beside the weights. */
  readonly batchTokens?: number;
  /** Called after each batch with the number of rows done so far and of all rows. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborting it ends the scoring between two batches and throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Settings of {@link scoreRows}. */
export interface RowScoringOptions extends ScoringOptions {
  /** The ranks that score together: each takes a share of the rows, and gets the scores of all. Default: this one. */
  readonly collective?: Collective;
}

/**
 * The prompt of a row of a split, with the history that its user had by then, also for the CF model.
 *
 * @throws InputError as `PromptBuilder.build` does.
 */
export function promptOfRow(builder: PromptBuilder, dataset: Dataset, split: SplitName, row: number): HybridPrompt {
  const { user, item } = dataset.splits[split];
  const { historyLength, userHistoryLength = 0, userHistories } = builder.options;
  const history = dataset.history(split, row, Math.max(historyLength, userHistoryLength));
  const known = userHistories && { userHistory: userHistories.before(split, row, userHistoryLength) };
  return promptFor(builder, { user: user[row]!, item: item[row]!, history, ...known });
}

/**
 * Scores rows of a split. A score is z_yes − z_no, the difference of the answers' logits, or the raw Yes logit under
 * `yes-logit-bce`. A higher score means Yes is more likely.
 *
 * @param rows row numbers of the split.
 * @returns [rows] scores, in the order of `rows`.
 * @throws InputError as {@link promptOfRow} does; the reason of the signal when it is aborted; InterruptedError when that of
 * another rank is.
 */
export async function scoreRows(
  model: HybridModel,
  builder: PromptBuilder,
  dataset: Dataset,
  split: SplitName,
  rows: Int32Array,
  loss: YesNoLossOptions,
  { collective = alone, ...options }: RowScoringOptions = {},
): Promise<Float32Array> {
  const { start, end } = shareOf(rows.length, collective);
  const own = rows.subarray(start, end);
  const prompts = (function* () {
    for (const row of own) yield promptOfRow(builder, dataset, split, row);
  })();
  const scores = await scorePrompts(model, prompts, own.length, loss, options).catch((error: unknown) => {
    if (options.signal?.aborted) return null;
    throw error;
  });
  // A rank that is told to stop gives up its share, and then all do: none waits for it.
  const isStopped = await someRank(collective, scores === null);
  if (isStopped || scores === null) {
    options.signal?.throwIfAborted();
    throw new InterruptedError();
  }
  return gatherValues(collective, scores);
}

/**
 * Scores prompts as {@link scoreRows} does. The iterable is read one prompt at a time.
 *
 * @param total number of prompts, for progress.
 * @returns [total] scores, in their order.
 */
export function scorePrompts(
  model: HybridModel,
  prompts: Iterable<HybridPrompt>,
  total: number,
  loss: YesNoLossOptions,
  { onProgress, ...options }: ScoringOptions = {},
): Promise<Float32Array> {
  return computeInBatches(
    model.llm.device,
    prompts,
    ({ tokenIds }) => tokenIds.length,
    (batch) => model.loss(batch, new Float32Array(batch.length), loss, 0).scores,
    { ...options, ...(onProgress && { onProgress: (done) => onProgress(done, total) }) },
  );
}
