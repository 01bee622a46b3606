// The model of every method: prompts → embeddings (tokens, and the vectors of channels) → LLM → logits of the answer.
import { InputError } from '@crossgate/core';
import type { DropoutContext, LlamaModel, PackedBatch, Past } from '@crossgate/llm';
import { lastTokens, packSequences } from '@crossgate/llm';
import type { Indices, ParameterGroup, YesNoLossOptions } from '@crossgate/tensor';
import { add, Tensor, tidy, yesNoLoss } from '@crossgate/tensor';
import type { HybridBatch, UploadedBatch } from './batch';
import { packPrompts } from './batch';
import { CfChannel, type CfDropout, type Channel } from './channels';
import type { GroupName } from './methods/method';
import type { HybridPrompt } from './prompt';

/** Dropout of a training step; absent in evaluation. */
export interface TrainingNoise {
  /** Seed and step of the dropout inside LoRA; absent when LoRA is not trained. */
  readonly lora?: DropoutContext | undefined;
  /** Dropout of CF vectors; absent when ALG and GATE are not trained. */
  readonly cf?: CfDropout | undefined;
}

/** An LLM that reads hybrid prompts. Without channels, prompts are plain text. */
export class HybridModel {
  /**
   * @param languageModel with its adapters if there are any.
   * @param channels give the vectors; each kind of entity is served by one of them. They add their vectors in this
   * order.
   */
  constructor(
    private languageModel: LlamaModel,
    /** The sources of vectors. */
    readonly channels: readonly Channel[] = [],
  ) {}

  /** The language model, with its adapters if there are any. */
  get llm(): LlamaModel {
    return this.languageModel;
  }

  /** Lets the language model multiply in f32 from now on: for one whose values do not fit f16. */
  multiplyInF32(): void {
    this.languageModel = this.languageModel.with({ precision: 'f32' });
  }

  /** Whether embeddings are looked up in the table of tokens itself, not in rows of it that are widened first. */
  get readsTable(): boolean {
    return this.llm.tokenEmbeddings instanceof Tensor;
  }

  /**
   * Whether its training steps can read all that they need from the device, so that they can be captured. CF models that
   * read histories, and contexts in which the host makes tables for each batch, cannot.
   */
  get canBeCaptured(): boolean {
    const { slidingWindow, ropeScaling } = this.llm.config;
    if (slidingWindow !== undefined || ropeScaling?.type === 'dynamic') return false;
    return this.cf.every(({ backend }) => backend.takesDeviceIds === true && backend.historyLength === 0);
  }

  /** The channels of CF backends; none in methods without one. */
  get cf(): readonly CfChannel[] {
    return this.channels.filter((channel) => channel instanceof CfChannel);
  }

  /**
   * Frees what training adds to the LLM: the adapters, and what the channels allocated. The LLM and CF backends stay
   * their owners'.
   */
  release(): void {
    this.llm.adapters?.release();
    for (const channel of this.channels) channel.release();
  }

  /** The parameter groups that exist, by name; with several CF backends, a name has a group of each. */
  groups(): ReadonlyMap<GroupName, readonly ParameterGroup[]> {
    const groups = new Map<GroupName, ParameterGroup[]>();
    if (this.llm.adapters) groups.set('lora', [this.llm.adapters.group]);
    for (const channel of this.channels) {
      for (const [name, group] of channel.groups) groups.set(name, [...(groups.get(name) ?? []), group]);
    }
    return groups;
  }

  /** All parameter groups, in the order of {@link groups}. */
  allGroups(): ParameterGroup[] {
    return [...this.groups().values()].flat();
  }

  /**
   * Input embeddings of a packed batch, inside a step: [tokens, hiddenSize]. Differentiable.
   *
   * @throws InputError for a kind of entity that no channel serves.
   */
  embed(batch: HybridBatch, dropout?: CfDropout): Tensor {
    const { llm } = this;
    const { uploaded } = batch;
    const { tokenIds } = batch.positions;
    for (const kind of batch.kinds) {
      if (this.channels.some(({ serves }) => serves.has(kind))) continue;
      throw new InputError(`a prompt holds a vector of the kind ${kind}, but no channel of the model gives one`);
    }
    const channels = this.channels.filter(({ serves }) => [...batch.kinds].some((kind) => serves.has(kind)));
    const tokens = uploaded?.tokens ?? Uint32Array.from(tokenIds);
    if (channels.length === 0) return llm.embed(tokens);
    return tidy(llm.device, () => {
      const { tokenEmbeddings } = llm;
      // A table of fewer bits gives the rows of this batch, each under the number of its position.
      const table = tokenEmbeddings instanceof Tensor ? tokenEmbeddings : llm.embed(tokens);
      const rows =
        uploaded?.positions.tokenIds ??
        (this.readsTable ? tokenIds : tokenIds.map((token, at) => (token < 0 ? -1 : at)));
      const none = uploaded?.none ?? new Int32Array(tokenIds.length).fill(-1);
      const [first, ...others] = channels.map((channel, i) =>
        channel.embed(llm, batch, { table, rows: i === 0 ? rows : none }, dropout),
      );
      return others.reduce((sum, own) => add(sum, own), first!);
    });
  }

  /**
   * Logits at the answer position (the last) of every prompt, inside a step: [prompts, vocabSize]. Differentiable.
   *
   * @param past the cached beginning that all prompts share; the prompts are then given without it.
   * @throws InputError as {@link embed} does, and for a prompt longer than the model's context.
   */
  logits(prompts: readonly HybridPrompt[], noise: TrainingNoise = {}, past?: Past): Tensor {
    const batch = packPrompts(prompts);
    const packed = packSequences(this.llm.device, batch.lengths, past?.cache.length);
    return this.#logits(batch, packed, lastTokens(packed), noise, past);
  }

  #logits(batch: HybridBatch, packed: PackedBatch, answers: Indices, noise: TrainingNoise, past?: Past): Tensor {
    const hidden = this.llm.forward(this.embed(batch, noise.cf), packed, answers, noise.lora, past);
    return this.llm.logits(hidden, noise.lora);
  }

  /**
   * As {@link loss}, of a batch that is on the device already, so that the step can be captured.
   *
   * @param batch with {@link HybridBatch.uploaded}.
   */
  lossOfUploaded(
    batch: HybridBatch & { readonly uploaded: UploadedBatch },
    options: YesNoLossOptions,
    gradScale: number,
    noise: TrainingNoise = {},
  ): ReturnType<typeof yesNoLoss> {
    const { packed, answers, labels } = batch.uploaded;
    return yesNoLoss(this.#logits(batch, packed, answers, noise), labels, options, gradScale);
  }

  /**
   * Losses [prompts] and scores [prompts] of a batch; see `yesNoLoss` of `@crossgate/tensor` for `options`.
   *
   * @param labels [prompts] of 0 or 1.
   * @param gradScale factor on the gradients, such as 1 / prompts for those of the mean.
   * @param past as in {@link logits}.
   */
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
