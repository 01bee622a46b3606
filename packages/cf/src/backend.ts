/** What the rest of the house asks of a collaborative-filtering model, whichever it is. */
import type { Dataset } from '@crossgate/data';
import type { HostState, Indices, ParameterGroup, Tensor } from '@crossgate/tensor';
import type { UserHistories } from './click-history';

/**
 * User and item vectors that gradients can flow to. Ids are dense: 1 … N, 0 is padding.
 *
 * A user or item without train rows is *unseen*. Its vector, like that of padding, is exactly zero and stays zero in every
 * kind of training on train rows: it gets no gradient, and neither Adam nor weight decay moves a zero that gets none.
 * (Users of asymmetric SVD are the exception: theirs is a function of the history alone, and never zero.)
 */
export interface CfBackend {
  /** Width of the vectors. */
  readonly cfDim: number;
  /** All trainable values (ENC). Not trainable until someone says so: `group.trainable = true`. */
  readonly group: ParameterGroup;
  /** [users + 1]: 1 where the user has train rows. Index 0, the padding, is 0. */
  readonly userSeen: Uint8Array;
  /** [items + 1]: 1 where the item has train rows. */
  readonly itemSeen: Uint8Array;
  /**
   * How many of a user's last positives {@link userVectors} reads: 0 for models whose user vector is a function of the
   * user alone (MF, LightGCN).
   */
  readonly historyLength: number;
  /**
   * Vectors of users, inside a step. Differentiable.
   *
   * @param users [n] dense ids.
   * @param histories the positives before each row, oldest first, at most `historyLength`; ignored when that is 0.
   * @returns [n, cfDim].
   * @throws InputError naming an id that is out of range.
   */
  userVectors(users: Uint32Array, histories?: readonly Int32Array[]): Tensor;
  /** Vectors of items, inside a step. Differentiable. @returns [n, cfDim]. @throws InputError for an id out of range. */
  itemVectors(items: Uint32Array): Tensor;
}

/** What a model takes on the device beside its parameters, their gradients and moments. */
export interface CfMemory {
  /** Bytes for as long as it lives. */
  readonly persistent: number;
  /** Step bytes that it holds from its vectors to their backward pass, where it is trained. */
  readonly held: number;
  /** Step bytes that it takes for a moment when it makes its vectors; `held` is part of them. */
  readonly peak: number;
}

/** Rows of users: what a model reads to score items for them. */
export interface UserBatch {
  /** [n] dense ids; on the device in training. */
  readonly users: Indices;
  /** [n] the positives before each row, oldest first; longer ones are cut to the last `historyLength`. */
  readonly histories?: readonly Int32Array[];
  /** Noise of a training step, for models that have any; absent in evaluation. */
  readonly dropout?: { readonly seed: number; readonly counter: number };
}

/** Vectors and a bias per item whose products are the logits of all items: users · itemsᵀ + bias. */
export interface AllItems {
  /** [n, cfDim] */
  readonly users: Tensor;
  /** [items + 1, cfDim] */
  readonly items: Tensor;
  /** [items + 1]: −1e30 for padding and unseen items. */
  readonly bias: Tensor;
}

/** Scores items for a batch of users whose vectors are computed once. Lives inside one step. */
export interface UserScorer {
  /** One item per row: [n] logits. */
  logits(items: Indices): Tensor;
  /** What {@link allLogits} is made of. */
  all(): AllItems;
  /**
   * All items for every row: [n, items + 1] logits, −1e30 for padding and unseen items. What depends on the user alone
   * (the user's bias) is left out: it changes neither an order nor a softmax.
   */
  allLogits(): Tensor;
}

/** A backend that can be trained on clicks by itself. */
export interface CfModel extends CfBackend {
  /** The name of its `CfDefinition`. */
  readonly name: string;
  /** The histories that it reads: `scorer`, `logits`, `scorePairs` and `userVectors` are given them. */
  histories(dataset: Dataset): UserHistories;
  /** Prepares to score items for a batch of users, inside a step. Differentiable. */
  scorer(batch: UserBatch): UserScorer;
  /** Logits of pairs, inside a step. Differentiable. @returns [n]. */
  logits(users: Uint32Array, items: Uint32Array, histories?: readonly Int32Array[]): Tensor;
  /**
   * Logits of pairs of any number, waiting for the device once. Opens steps of its own.
   *
   * @param history the positives before a pair; needed when `historyLength` is above 0.
   */
  scorePairs(users: ArrayLike<number>, items: ArrayLike<number>, history?: HistoryOf): Promise<Float32Array>;
  /** Everything needed to build the model again: see `cfModelFromState`. */
  state(): Promise<HostState>;
  release(): void;
}

/** The positives before row `row`, oldest first, at most `limit`. */
export type HistoryOf = (row: number, limit: number) => Int32Array;

/** Vectors of all users and items on the host. Row 0 is padding; rows of unseen users and items are zero. */
export interface CfEmbeddings {
  readonly cfDim: number;
  /** [users + 1, cfDim] */
  readonly users: Float32Array;
  /** [items + 1, cfDim] */
  readonly items: Float32Array;
  /** [users + 1] */
  readonly userSeen: Uint8Array;
  /** [items + 1] */
  readonly itemSeen: Uint8Array;
}
