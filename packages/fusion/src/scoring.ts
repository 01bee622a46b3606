// Scores of many rows by a hybrid model, in packed batches of bounded size.
import type { Dataset, SplitName } from '@crossgate/data';
import type { YesNoLossOptions } from '@crossgate/tensor';
import { withoutTape } from '@crossgate/tensor';
import type { HybridModel } from './model';
import type { HybridPrompt, PromptBuilder } from './prompt';

export interface ScoringOptions {
  /** Most tokens of one batch. Default 16,384: enough to fill a device, little beside the weights. */
  readonly batchTokens?: number;
  /** Called with the rows done so far. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between batches. */
  readonly signal?: AbortSignal | undefined;
}

/** The prompt of a row of a split, with the history that the row's user had by then. */
export function promptOfRow(builder: PromptBuilder, dataset: Dataset, split: SplitName, row: number): HybridPrompt {
  const { user, item } = dataset.splits[split];
  const { historyLength, userHistoryLength = 0 } = builder.options;
  const prompt = builder.build({
    user: user[row]!,
    item: item[row]!,
    history: dataset.history(split, row, historyLength),
  });
  if (userHistoryLength === 0) return prompt;
  return { ...prompt, userHistory: dataset.history(split, row, userHistoryLength) };
}

/**
 * Scores rows: z_yes − z_no, or the raw Yes logit under `yes-logit-bce`. Higher means likelier Yes.
 *
 * @param rows row numbers of the split.
 * @returns scores in the order of `rows`.
 */
export async function scoreRows(
  model: HybridModel,
  builder: PromptBuilder,
  dataset: Dataset,
  split: SplitName,
  rows: Int32Array,
  loss: YesNoLossOptions,
  { batchTokens = 16_384, onProgress, signal }: ScoringOptions = {},
): Promise<Float32Array> {
  const { device } = model.llm;
  const scores = new Float32Array(rows.length);
  // The result of one batch is fetched while the next one runs.
  let pending: { start: number; values: Promise<Float32Array> } | null = null;
  const settle = async () => {
    if (!pending) return;
    const { start, values } = pending;
    pending = null;
    scores.set(await values, start);
  };
  for (let start = 0; start < rows.length; ) {
    signal?.throwIfAborted();
    const prompts: HybridPrompt[] = [];
    for (let tokens = 0; start + prompts.length < rows.length; ) {
      const prompt = promptOfRow(builder, dataset, split, rows[start + prompts.length]!);
      tokens += prompt.tokenIds.length;
      if (prompts.length > 0 && tokens > batchTokens) break;
      prompts.push(prompt);
    }
    using _ = device.step();
    const { scores: batchScores } = withoutTape(() => model.loss(prompts, new Float32Array(prompts.length), loss, 0));
    const values = batchScores.read();
    values.catch(() => {}); // Awaited one batch later; without this a failure would count as unhandled until then.
    await settle();
    pending = { start, values };
    start += prompts.length;
    onProgress?.(start, rows.length);
  }
  await settle();
  return scores;
}
