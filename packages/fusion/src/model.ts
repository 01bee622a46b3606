// The model of every method here: prompts → embeddings (text, aligned CF, gate) → LLM → logits of the answer.
import type { CfBackend } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { DropoutContext, LlamaModel, Past } from '@crossgate/llm';
import { lastTokens, packSequences } from '@crossgate/llm';
import type { YesNoLossOptions } from '@crossgate/tensor';
import {
  concatRows,
  embedding,
  fromHost,
  gatedFusion,
  multiply,
  type ParameterGroup,
  RandomStream,
  Tensor,
  tidy,
  yesNoLoss,
} from '@crossgate/tensor';
import type { AlignmentAndGate } from './alignment';
import type { HybridBatch } from './batch';
import { packPrompts } from './batch';
import type { GroupName } from './methods/method';
import type { HybridPrompt } from './prompt';

/** The CF side of a fused model: ENC, and the networks that bring its vectors in. */
export interface CfSide {
  readonly backend: CfBackend;
  readonly networks: AlignmentAndGate;
}

/** The noise of a training step; absent in evaluation. */
export interface TrainingNoise {
  /** Of LoRA. */
  readonly lora?: DropoutContext | undefined;
  /** Replaces whole users and items by the zero vector, as unseen ones have it. */
  readonly cf?: CfDropout | undefined;
}

export interface CfDropout extends DropoutContext {
  /** Share of the items of a batch, in [0, 1). */
  readonly items: number;
  /** Share of the users of a batch, in [0, 1). */
  readonly users: number;
}

/** An LLM that reads hybrid prompts. Without a CF side, prompts are text. */
export class HybridModel {
  constructor(
    readonly llm: LlamaModel,
    readonly cf: CfSide | null,
  ) {}

  /** The parameter groups that exist, by name. */
  groups(): ReadonlyMap<GroupName, ParameterGroup> {
    const groups = new Map<GroupName, ParameterGroup>();
    if (this.llm.adapters) groups.set('lora', this.llm.adapters.group);
    if (this.cf) {
      groups.set('fusion', this.cf.networks.group);
      groups.set('cf', this.cf.backend.group);
    }
    return groups;
  }

  /** Input embeddings of a packed batch: [tokens, hiddenSize]. */
  embed(batch: HybridBatch, dropout?: CfDropout): Tensor {
    const tokenEmbeddings = this.llm.tokenEmbeddings;
    const { items, users, histories, titleTokens, positions } = batch;
    if (items.length + users.length === 0) return this.llm.embed(Uint32Array.from(positions.tokenIds));
    if (this.cf === null) {
      throw new InputError('a prompt holds vectors of users or items, but the model has no CF side that gives them');
    }
    const { backend, networks } = this.cf;
    return tidy(this.llm.device, () => {
      const vectors: Tensor[] = [];
      if (items.length > 0) vectors.push(backend.itemVectors(items));
      if (users.length > 0) vectors.push(backend.userVectors(users, histories));
      const all = vectors.length === 2 ? concatRows(vectors[0]!, vectors[1]!) : vectors[0]!;
      const aligned = networks.align(dropRows(all, items.length, dropout));
      const gated = networks.gateCf !== null && titleTokens.length > 0;
      const { tokenIds } = positions;
      // A table of fewer bits gives the rows of this batch, each under the number of its position.
      const table = tokenEmbeddings instanceof Tensor ? tokenEmbeddings : this.llm.embed(Uint32Array.from(tokenIds));
      const rows =
        table === tokenEmbeddings ? tokenIds : tokenIds.map((token, position) => (token < 0 ? -1 : position));
      return gatedFusion(
        {
          tokenEmbeddings: table,
          aligned,
          gateCf: gated ? networks.gateCf!(aligned) : undefined,
          gateText: gated ? networks.gateText!(embedding(tokenEmbeddings, titleTokens)) : undefined,
          activation: networks.gate.activation,
        },
        {
          ...positions,
          tokenIds: rows,
          ...(!gated && { textRows: new Int32Array(positions.textRows.length).fill(-1) }),
        },
      );
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

/** Zeroes whole rows, `items` of items and then users, by a mask that is a function of the dropout's seed and counter. Rows that stay are not rescaled. */
function dropRows(x: Tensor, items: number, dropout: CfDropout | undefined): Tensor {
  if (!dropout || (dropout.items === 0 && dropout.users === 0)) return x;
  const random = new RandomStream(dropout.seed, `cf.dropout.${dropout.counter}`);
  const mask = new Float32Array(x.size);
  for (let row = 0; row < x.rows; row++) {
    const dropped = random.uniform() < (row < items ? dropout.items : dropout.users);
    if (!dropped) mask.fill(1, row * x.columns, (row + 1) * x.columns);
  }
  return multiply(x, fromHost(x.device, x.shape, mask));
}
