// The model of every method here: prompts → embeddings (text, and the vectors of channels) → LLM → logits of the answer.
import { InputError } from '@crossgate/core';
import type { DropoutContext, LlamaModel, Past } from '@crossgate/llm';
import { lastTokens, packSequences } from '@crossgate/llm';
import type { ParameterGroup, YesNoLossOptions } from '@crossgate/tensor';
import { add, Tensor, tidy, yesNoLoss } from '@crossgate/tensor';
import type { HybridBatch } from './batch';
import { packPrompts } from './batch';
import { CfChannel, type CfDropout, type Channel } from './channels';
import type { GroupName } from './methods/method';
import type { HybridPrompt } from './prompt';

/** The noise of a training step; absent in evaluation. */
export interface TrainingNoise {
  /** Of LoRA. */
  readonly lora?: DropoutContext | undefined;
  /** Replaces whole users and items by the zero vector, as unseen ones have it. */
  readonly cf?: CfDropout | undefined;
}

/** An LLM that reads hybrid prompts. Without channels, prompts are text. */
export class HybridModel {
  /** @param channels what gives vectors, each kind of entity by one of them; added in their order. */
  constructor(
    readonly llm: LlamaModel,
    readonly channels: readonly Channel[] = [],
  ) {}

  /** The channel of the CF backend; null in methods without one. */
  get cf(): CfChannel | null {
    return this.channels.find((channel) => channel instanceof CfChannel) ?? null;
  }

  /** Frees what training adds to the LLM: adapters, and what the channels made. The LLM and CF backends stay their owners'. */
  release(): void {
    this.llm.adapters?.release();
    for (const channel of this.channels) channel.release();
  }

  /** The parameter groups that exist, by name. */
  groups(): ReadonlyMap<GroupName, ParameterGroup> {
    const groups = new Map<GroupName, ParameterGroup>();
    if (this.llm.adapters) groups.set('lora', this.llm.adapters.group);
    for (const channel of this.channels) for (const [name, group] of channel.groups) groups.set(name, group);
    return groups;
  }

  /**
   * Input embeddings of a packed batch: [tokens, hiddenSize].
   *
   * @throws InputError for a kind of entity that no channel serves.
   */
  embed(batch: HybridBatch, dropout?: CfDropout): Tensor {
    const { llm } = this;
    const { tokenIds } = batch.positions;
    for (const kind of batch.kinds) {
      if (this.channels.some(({ serves }) => serves.has(kind))) continue;
      throw new InputError(`a prompt holds a vector of the kind ${kind}, but no channel of the model gives one`);
    }
    const channels = this.channels.filter(({ serves }) => [...batch.kinds].some((kind) => serves.has(kind)));
    if (channels.length === 0) return llm.embed(Uint32Array.from(tokenIds));
    return tidy(llm.device, () => {
      const { tokenEmbeddings } = llm;
      // A table of fewer bits gives the rows of this batch, each under the number of its position.
      const table = tokenEmbeddings instanceof Tensor ? tokenEmbeddings : llm.embed(Uint32Array.from(tokenIds));
      const rows =
        table === tokenEmbeddings ? tokenIds : tokenIds.map((token, position) => (token < 0 ? -1 : position));
      const none = new Int32Array(tokenIds.length).fill(-1);
      const [first, ...others] = channels.map((channel, i) =>
        channel.embed(llm, batch, { table, rows: i === 0 ? rows : none }, dropout),
      );
      return others.reduce((sum, own) => add(sum, own), first!);
    });
  }

  /**
   * Logits of the answer's position of every prompt: [prompts, vocabSize].
   *
   * @param past what all prompts go on from, for prompts without their shared beginning.
   */
  logits(prompts: readonly HybridPrompt[], noise: TrainingNoise = {}, past?: Past): Tensor {
    const batch = packPrompts(prompts);
    const packed = packSequences(this.llm.device, batch.lengths, past?.cache.length);
    const hidden = this.llm.forward(this.embed(batch, noise.cf), packed, lastTokens(packed), noise.lora, past);
    return this.llm.logits(hidden);
  }

  /** Losses [prompts] and scores [prompts] of a batch, see `yesNoLoss` of the tensor package; `past` as in {@link logits}. */
  loss(
    prompts: readonly HybridPrompt[],
    labels: Float32Array,
    options: YesNoLossOptions,
    gradScale: number,
    noise?: TrainingNoise,
    past?: Past,
  ): ReturnType<typeof yesNoLoss> {
    return yesNoLoss(this.logits(prompts, noise, past), labels, options, gradScale);
  }
}
