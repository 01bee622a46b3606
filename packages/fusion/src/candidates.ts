// Scores of many items for one user: prompts that differ only in the candidate share everything before it.
import { computeInBatches, KeyValueCache, rotatesByLength } from '@crossgate/llm';
import { withoutTape, type YesNoLossOptions } from '@crossgate/tensor';
import { packPrompts } from './batch';
import type { HybridModel } from './model';
import { type HybridPrompt, type PromptBuilder, promptFor, slicePrompt } from './prompt';
import type { ScoringOptions } from './scoring';
import type { PromptInput } from './template';

/**
 * The user to score items for: the id, all earlier positives (oldest first) that prompts may name, and what the CF
 * model's user vector is computed from where that is more.
 */
export type ScoredUser = Pick<PromptInput, 'user' | 'userHistory'> & { readonly history: Int32Array };

/** Number of candidates whose prompts are in memory at a time. */
const chunk = 1024;

/**
 * Scores items for one user as whole prompts would, within rounding. The part of the prompt before the candidate is
 * computed once; its keys and values stay on the device until {@link release}, or until the end of a `using`. Where a
 * title is so long that the history must be shortened, each length of the remaining history has a prefix of its own.
 */
export class CandidateScorer implements Disposable {
  readonly #prefixes = new Map<number, KeyValueCache>();

  /**
   * @param builder makes the prompts; of the stage that scores.
   * @param loss determines, with its answer tokens, what a score is: see `scoreRows`.
   */
  constructor(
    private readonly model: HybridModel,
    private readonly builder: PromptBuilder,
    private readonly user: ScoredUser,
    private readonly loss: YesNoLossOptions,
  ) {}

  /**
   * Scores items.
   *
   * @param items dense ids.
   * @returns scores in the order of `items`: a higher one means Yes is more likely.
   * @throws InputError for an item that is not in the data set, and for a prompt that does not fit even without
   * history; the reason of the signal when it is aborted.
   */
  async score(items: ArrayLike<number>, options: ScoringOptions = {}): Promise<Float32Array> {
    const scores = new Float32Array(items.length);
    for (let start = 0; start < items.length; start += chunk) {
      const end = Math.min(start + chunk, items.length);
      const groups = new Map<number, { index: number; prompt: HybridPrompt }[]>();
      for (let index = start; index < end; index++) {
        const prompt = promptFor(this.builder, { ...this.user, item: items[index]! });
        // What is shared must not depend on how long the whole is.
        const alone = rotatesByLength(this.model.llm.config, prompt.tokenIds.length);
        const length = alone ? 0 : (prompt.sharedLength ?? 0);
        if (!groups.has(length)) groups.set(length, []);
        groups.get(length)!.push({ index, prompt });
      }
      let done = start;
      for (const [length, members] of groups) {
        options.signal?.throwIfAborted();
        const cache = this.#prefix(length, members[0]!.prompt);
        const values = await computeInBatches(
          this.model.llm.device,
          members.map(({ prompt }) => slicePrompt(prompt, length)),
          ({ tokenIds }) => tokenIds.length,
          (batch) =>
            this.model.loss(batch, new Float32Array(batch.length), this.loss, 0, {}, cache && { cache }).scores,
          { ...options, onProgress: (count) => options.onProgress?.(done + count, items.length) },
        );
        for (const [i, { index }] of members.entries()) scores[index] = values[i]!;
        done += members.length;
      }
    }
    return scores;
  }

  /** Keys and values of the first `length` positions; undefined when the candidate comes first. */
  #prefix(length: number, prompt: HybridPrompt): KeyValueCache | undefined {
    if (length === 0) return undefined;
    const known = this.#prefixes.get(length);
    if (known) return known;
    const { llm } = this.model;
    const cache = new KeyValueCache(llm, length);
    this.#prefixes.set(length, cache);
    using _ = llm.device.recorder.profiler?.step('prefix');
    using __ = llm.device.step();
    withoutTape(() => llm.extend(cache, this.model.embed(packPrompts([slicePrompt(prompt, 0, length)]))));
    return cache;
  }

  /** Frees the keys and values of the prefixes. */
  release(): void {
    for (const cache of this.#prefixes.values()) cache.release();
    this.#prefixes.clear();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
