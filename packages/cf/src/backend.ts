/** What the other packages ask of a collaborative-filtering model, whichever it is. */
import type { Dataset } from '@crossgate/data';
import type { StepValue } from '@crossgate/gpu';
import type { HostState, Indices, ParameterGroup, Tensor } from '@crossgate/tensor';
import type { UserHistories } from './click-history';
import type { FoldInLoss, UserFolding } from './fold-in';

/**
 * A source of user and item vectors that gradients can flow to (ENC of CCF-LLM, eq. 1). Ids are dense: 1 … N; 0 is
 * padding.
 *
 * A user or item without train rows is *unseen*. Its vector, like that of the padding, is exactly zero. It stays zero
 * in training on train rows: it gets no gradient, and neither Adam nor weight decay moves a zero that gets none.
 * (Asymmetric SVD is the exception: a user's vector depends on the history alone and is never zero.)
 */
export interface CfBackend {
  /** Width of the vectors. */
  readonly cfDim: number;
  /** All trainable values (Θ_E). They are frozen until `group.trainable` is set to true. */
  readonly group: ParameterGroup;
  /** [users + 1]: 1 where the user has train rows, else 0. Index 0, the padding, is 0. */
  readonly userSeen: Uint8Array;
  /** [items + 1]: 1 where the item has train rows, else 0. Index 0, the padding, is 0. */
  readonly itemSeen: Uint8Array;
  /**
   * Number of entries of a user's history that {@link userVectors} reads, the last ones. 0 for models whose user vector
   * depends on the id alone (MF, LightGCN).
   */
  readonly historyLength: number;
  /** Whether ids may be on the device too, so that a training can capture its steps. Default false. */
  readonly takesDeviceIds?: boolean;
  /**
   * Computes, outside a step, what frozen vectors are read from, unless that is up to date. Called before steps that
   * may be captured, so that their replays do not compute it again. Absent where there is nothing to compute.
   */
  prepareFrozen?(): void;
  /**
   * Vectors of users, inside a step. Differentiable.
   *
   * @param users [n] dense ids; on the device only with {@link takesDeviceIds}.
   * @param histories [n] the history before each row, oldest first, as `CfModel.histories` gives it; longer ones are
   * cut to the last `historyLength` entries. Ignored when that is 0.
   * @returns [n, cfDim].
   * @throws InputError for an id out of range, and without one history per row where the model reads them.
   */
  userVectors(users: Indices, histories?: readonly Int32Array[]): Tensor;
  /**
   * Vectors of items, inside a step. Differentiable.
   *
   * @param items [n] dense ids; on the device only with {@link takesDeviceIds}.
   * @returns [n, cfDim].
   * @throws InputError for an id out of range.
   */
  itemVectors(items: Indices): Tensor;
}

/** Device memory that a model takes beside its parameters, their gradients and moments. */
export interface CfMemory {
  /** Bytes for as long as the model lives. */
  readonly persistent: number;
  /** Bytes of the step that it holds from its vectors to their backward pass, when it is trained. */
  readonly held: number;
  /** Most bytes of the step that it takes while it computes its vectors. `held` is part of them. */
  readonly peak: number;
}

/** A batch of users: what a model reads to score items for them. */
export interface UserBatch {
  /** [n] dense ids, on the host or on the device (in training). */
  readonly users: Indices;
  /** [n] the history before each row, oldest first; longer ones are cut to the last `historyLength` entries. */
  readonly histories?: readonly Int32Array[];
  /**
   * Dropout of a training step, for models that have any: the same seed and counter give the same masks. Absent in
   * evaluation.
   */
  readonly dropout?: RowDropout;
}

/** Identifies the dropout of a batch of rows. */
export interface RowDropout {
  /** Seed of the training. */
  readonly seed: number;
  /** Number of the step. A training captures steps, so it must reach kernels as it is. */
  readonly counter: number | StepValue;
  /**
   * Histories, or sequences, of the rows that other ranks have in front of these in the batch of the step: the masks are
   * then those of the whole batch. Default none.
   */
  readonly before?: readonly Int32Array[];
}

/** Matrices whose product gives the logits of all items: users · itemsᵀ + bias. */
export interface AllItems {
  /** [n, cfDim], one row per user of the batch. */
  readonly users: Tensor;
  /** [items + 1, cfDim], by dense id. */
  readonly items: Tensor;
  /** [items + 1]: −1e30 for padding and unseen items, else 0 or the item's bias. */
  readonly bias: Tensor;
}

/** Scores items for a batch of users whose vectors are computed once. Lives inside one step. */
export interface UserScorer {
  /** One item per user: [n] logits. @param items [n] dense ids. */
  logits(items: Indices): Tensor;
  /** The matrices that {@link allLogits} multiplies. */
  all(): AllItems;
  /**
   * All items for every user: [n, items + 1] logits, −1e30 for padding and unseen items. A term that depends on the
   * user alone (the user's bias) is left out: it changes neither an order nor a softmax.
   */
  allLogits(): Tensor;
}

/** A backend that can be trained on clicks by itself. */
export interface CfModel extends CfBackend {
  /** The name of its `CfDefinition`. */
  readonly name: string;
  /**
   * The histories of a data set as this model reads them. `scorer`, `logits`, `scorePairs` and `userVectors` are given
   * them.
   */
  histories(dataset: Dataset): UserHistories;
  /** Prepares to score items for a batch of users, inside a step. Differentiable. */
  scorer(batch: UserBatch): UserScorer;
  /**
   * Logits of pairs, inside a step. Differentiable.
   *
   * @param users [n] dense ids.
   * @param items [n] dense ids.
   * @returns [n].
   */
  logits(users: Uint32Array, items: Uint32Array, histories?: readonly Int32Array[]): Tensor;
  /**
   * Logits of any number of pairs, computed in batches. Opens its own steps and waits for the device once.
   *
   * @param users [n] dense ids.
   * @param items [n] dense ids.
   * @param history the history before a pair, by its position; needed when `historyLength` is above 0.
   * @returns [n].
   * @throws InputError for columns of unequal length, for an id out of range, and without histories where the model
   * reads them.
   */
  scorePairs(users: ArrayLike<number>, items: ArrayLike<number>, history?: HistoryOf): Promise<Float32Array>;
  /**
   * The vector of a user, by the history alone and on the host: within rounding what {@link userVectors} gives. Only of
   * models that need no device for it.
   *
   * @param history as {@link histories} gives it; longer ones are cut.
   * @returns [cfDim].
   */
  hostUserVector?(history: Int32Array): Float32Array;
  /**
   * Prepares to solve for the vectors of users that the model was not trained on. Only of models whose user vectors are
   * learned. Reads the tables once.
   *
   * @param training what the model was trained by.
   */
  userFolding?(training: FoldInLoss): Promise<UserFolding>;
  /** Everything needed to build the model again with `cfModelFromState`, on the host. */
  state(): Promise<HostState>;
  /** Frees its device memory. The model cannot be used afterwards. */
  release(): void;
}

/** The history before row `row`, oldest first, at most `limit` entries. */
export type HistoryOf = (row: number, limit: number) => Int32Array;

/** Vectors of all users and items on the host. Row 0 is padding; rows of unseen users and items are zero. */
export interface CfEmbeddings {
  /** Width of the vectors. */
  readonly cfDim: number;
  /** [users + 1, cfDim], row by row. */
  readonly users: Float32Array;
  /** [items + 1, cfDim], row by row. */
  readonly items: Float32Array;
  /** [users + 1]: 1 where the user has train rows, else 0. */
  readonly userSeen: Uint8Array;
  /** [items + 1]: 1 where the item has train rows, else 0. */
  readonly itemSeen: Uint8Array;
}
