// Sources of the vectors in a prompt: a CF backend with its ALG and GATE, or vectors that are learned by themselves.
import type { CfBackend } from '@crossgate/cf';
import type { Device } from '@crossgate/gpu';
import type { DropoutContext, LlamaModel } from '@crossgate/llm';
import {
  concatRows,
  embedding,
  fromHost,
  gatedFusion,
  multiply,
  ParameterGroup,
  type PositionRows,
  RandomStream,
  type Tensor,
} from '@crossgate/tensor';
import type { AlignmentAndGate } from './alignment';
import type { HybridBatch } from './batch';
import type { GroupName } from './methods/method';
import type { Kind } from './template';

/**
 * Dropout of CF vectors: a training step replaces whole users and items by the zero vector, which unseen ones have. The
 * seed and the counter (the step) determine which.
 */
export interface CfDropout extends Omit<DropoutContext, 'counter'> {
  /** Number of the optimizer step or micro-batch. */
  readonly counter: number;
  /** Share of the items of a batch that become zero, in [0, 1). */
  readonly items: number;
  /** Share of the users of a batch that become zero, in [0, 1). */
  readonly users: number;
  /**
   * The batch of all ranks, of which these prompts are a part, and the number of its users in front of them: the same
   * users and items become zero as without ranks. Absent where there is one rank.
   */
  readonly whole?: {
    /** The batch of all ranks. */
    readonly batch: HybridBatch;
    /** Number of its users in front of these prompts. */
    readonly usersBefore: number;
  };
}

/** The token embeddings that a channel adds its vectors to. */
export interface TokenRows {
  /** f32 [rows, hiddenSize]. */
  readonly table: Tensor;
  /** [tokens] row of the table at each position; −1 for zero. */
  readonly rows: PositionRows;
}

/** A source of vectors in the LLM's embedding space. */
export interface Channel {
  /** Kinds of entities whose vectors it gives. */
  readonly serves: ReadonlySet<Kind>;
  /** Its trainable parameters, by the names that stages use. */
  readonly groups: ReadonlyMap<GroupName, ParameterGroup>;
  /**
   * Token embeddings plus the channel's vectors, inside a step: [tokens, hiddenSize]. Differentiable.
   *
   * @param tokens the embeddings to add to; row −1 everywhere if another channel has already added them.
   * @param dropout of a training step; absent in evaluation.
   */
  embed(llm: LlamaModel, batch: HybridBatch, tokens: TokenRows, dropout?: CfDropout): Tensor;
  /** Frees what the channel itself allocated. A CF backend stays its owner's. */
  release(): void;
}

/**
 * A CF backend (ENC) with the networks that map its vectors to the LLM (ALG) and fuse them with titles (GATE): x_SM[t]
 * + α ⊙ ALG(x_CF) for tokens of fused titles (CCF-LLM eq. 4), ALG(x_CF) for slots of one vector.
 */
export class CfChannel implements Channel {
  readonly serves: ReadonlySet<Kind> = new Set<Kind>(['title', 'item', 'user']);
  readonly groups: ReadonlyMap<GroupName, ParameterGroup>;

  constructor(
    /** Gives the CF vectors of users and items (Θ_E). */
    readonly backend: CfBackend,
    /** ALG and GATE (Θ_A and Θ_G). The channel frees them. */
    readonly networks: AlignmentAndGate,
  ) {
    this.groups = new Map([
      ['fusion', networks.group],
      ['cf', backend.group],
    ]);
  }

  embed(llm: LlamaModel, batch: HybridBatch, { table, rows }: TokenRows, dropout?: CfDropout): Tensor {
    const { backend, networks } = this;
    const { items, users, histories, titleTokens, positions, uploaded } = batch;
    const vectors: Tensor[] = [];
    if (items.length > 0) vectors.push(backend.itemVectors(uploaded?.items ?? items));
    if (users.length > 0) vectors.push(backend.userVectors(uploaded?.users ?? users, histories));
    const all = vectors.length === 2 ? concatRows(vectors[0]!, vectors[1]!) : vectors[0]!;
    const aligned = networks.align(dropRows(all, batch, dropout));
    const gated = networks.gateCf !== null && titleTokens.length > 0;
    const textTokens = uploaded?.titleTokens ?? titleTokens;
    return gatedFusion(
      {
        tokenEmbeddings: table,
        aligned,
        gateCf: gated ? networks.gateCf!(aligned) : undefined,
        gateText: gated ? networks.gateText!(embedding(llm.tokenEmbeddings, textTokens)) : undefined,
        activation: networks.gate.activation,
      },
      {
        ...(uploaded?.positions ?? positions),
        tokenIds: rows,
        ...(!gated && { textRows: uploaded?.none ?? new Int32Array(positions.textRows.length).fill(-1) }),
      },
    );
  }

  release(): void {
    this.networks.group.release();
  }
}

/**
 * Learned vectors that belong to slots of the template, not to users or items (Softprompt): one table [count,
 * hiddenSize] in the LLM's space.
 */
export class LearnedChannel implements Channel {
  readonly serves: ReadonlySet<Kind> = new Set<Kind>(['learned']);
  readonly groups: ReadonlyMap<GroupName, ParameterGroup>;
  readonly #vectors: Tensor;

  /**
   * @param count number of vectors, all slots together.
   * @param deviation standard deviation of the normal initial values; default .02, that of LLaMA's own embeddings.
   * @throws OutOfMemoryError.
   */
  constructor(device: Device, count: number, hiddenSize: number, seed: number, deviation = 0.02) {
    const values = new RandomStream(seed, 'learned').normals(count * hiddenSize, deviation);
    const group = new ParameterGroup(device, 'learned', [{ name: learnedName, shape: [count, hiddenSize], values }]);
    this.groups = new Map([['learned', group]]);
    this.#vectors = group.get(learnedName);
  }

  embed(_: LlamaModel, { learnedRows, uploaded }: HybridBatch, { table, rows }: TokenRows): Tensor {
    const none = uploaded?.none ?? new Int32Array(learnedRows.length).fill(-1);
    return gatedFusion(
      { tokenEmbeddings: table, aligned: this.#vectors, activation: 'none' },
      { tokenIds: rows, cfRows: uploaded?.learnedRows ?? learnedRows, textRows: none },
    );
  }

  release(): void {
    for (const group of this.groups.values()) group.release();
  }
}

/** Name of the learned vectors in states: [count, hiddenSize]. */
export const learnedName = 'learned.vectors';

/** Shapes of learned vectors by name, before anything is allocated; empty for a count of 0. */
export function learnedShapes(count: number, hiddenSize: number): Map<string, readonly number[]> {
  return new Map(count > 0 ? [[learnedName, [count, hiddenSize]]] : []);
}

/**
 * Zeroes whole rows, first those of the batch's items and then those of its users, by a mask that depends only on the
 * dropout's seed and counter. The other rows are not rescaled.
 */
function dropRows(x: Tensor, batch: HybridBatch, dropout: CfDropout | undefined): Tensor {
  const { uploaded } = batch;
  const uploadedMask = uploaded?.kept.get(x.columns);
  if (uploaded) return uploadedMask ? multiply(x, uploadedMask) : x;
  const kept = keptRows(batch, dropout, x.columns);
  return kept ? multiply(x, fromHost(x.device, x.shape, kept)) : x;
}

/**
 * The mask of a batch's CF vectors, [items + users, columns]: 0 in the rows that dropout replaces by zero, else 1. Null
 * where there is no dropout, and for a batch without CF vectors.
 */
export function keptRows(
  batch: HybridBatch,
  dropout: CfDropout | undefined,
  columns: number,
): Float32Array<ArrayBuffer> | null {
  const rows = batch.items.length + batch.users.length;
  if (!dropout || rows === 0 || (dropout.items === 0 && dropout.users === 0)) return null;
  const random = new RandomStream(dropout.seed, `cf.dropout.${dropout.counter}`);
  const whole = dropout.whole?.batch ?? batch;
  const draw = (count: number, share: number) => Array.from({ length: count }, () => random.uniform() < share);
  // None for padding: the vectors of a padded batch are dropped as without it.
  const items = draw(whole.named.items, dropout.items);
  const users = draw(whole.named.users, dropout.users);
  const mask = new Float32Array(rows * columns).fill(1);
  const drop = (row: number) => mask.fill(0, row * columns, (row + 1) * columns);
  const itemAt = placesIn(whole.items.subarray(0, whole.named.items));
  batch.items.subarray(0, batch.named.items).forEach((item, row) => {
    if (items[itemAt.get(item)!]) drop(row);
  });
  const userAt = placesIn(whole.users.subarray(0, whole.named.users));
  const { usersBefore = 0 } = dropout.whole ?? {};
  batch.users.subarray(0, batch.named.users).forEach((user, row) => {
    // With histories a user is listed once per prompt, else once in the batch.
    if (users[batch.histories ? usersBefore + row : userAt.get(user)!]) drop(batch.items.length + row);
  });
  return mask;
}

/** Where each id of a list stands. */
function placesIn(ids: Uint32Array): Map<number, number> {
  return new Map(Array.from(ids, (id, place) => [id, place]));
}
