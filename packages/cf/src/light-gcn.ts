/** LightGCN (He et al. 2020): vectors propagated over the graph of train positives, and the mean of all layers. */
import type { Device } from '@crossgate/gpu';
import { InputError, sizeClass } from '@crossgate/gpu';
import type { HostState, Indices, Parameter, Tape } from '@crossgate/tensor';
import {
  activeTape,
  add,
  allOrNothing,
  embedding,
  ParameterGroup,
  readGroup,
  releasePersistent,
  rowDot,
  SparseMatrix,
  scale,
  sparseMatmul,
  Tensor,
  tidy,
  withoutTape,
} from '@crossgate/tensor';
import type { CfEmbeddings, CfMemory, CfModel, UserBatch, UserScorer } from './backend';
import { positiveHistories } from './click-history';
import { lightGcnDeclaration } from './declarations';
import type { CfDefinition } from './definition';
import { distinctClicks, type FoldInLoss, foldIn, priorOfUsers, seenItems, type UserFolding } from './fold-in';
import { matrixFactorizationShapes } from './matrix-factorization';
import { PairScores, vectorScorer } from './pair-scores';
import { positiveEdges, type SeenFlags, seenInTrain } from './seen';
import {
  addFlags,
  checkTableOptions,
  initialTable,
  itemTable,
  readTables,
  requireTensor,
  unseenMask,
  userTable,
} from './tables';

/** Edges of the bipartite graph of users and items, as two columns of equal length. */
export interface InteractionGraph {
  /** [edges] dense id of the user. */
  readonly user: ArrayLike<number>;
  /** [edges] dense id of the item. */
  readonly item: ArrayLike<number>;
}

/** What a LightGCN is created from. */
export interface LightGcnOptions extends SeenFlags {
  /** Width of the vectors. */
  readonly cfDim: number;
  /** Number of propagation layers, at least 0; 0 is matrix factorization. CoLLM: 2. */
  readonly layers: number;
  /** Train positives. A repeated edge counts once. */
  readonly graph: InteractionGraph;
  /** Standard deviation of the normal initial values, above 0. Default .1, as in the original. */
  readonly initStd?: number;
  /** Seed of the initial values. */
  readonly seed: number;
}

interface Values extends SeenFlags {
  readonly cfDim: number;
  readonly layers: number;
  readonly users: Float32Array;
  readonly items: Float32Array;
  readonly graph: { readonly user: Uint32Array; readonly item: Uint32Array };
}

/** Propagated vectors of all users [users + 1, cfDim] and items [items + 1, cfDim]. */
type Tables = readonly [users: Tensor, items: Tensor];

const graphUser = 'graph.user';
const graphItem = 'graph.item';
const layersName = 'graph.layers';

/**
 * Memory that a model takes beside its tables, before anything is allocated: the graph in both directions, the
 * propagated tables, and the steps of a propagation.
 */
export function lightGcnMemory(size: {
  /** Number of users, without the padding. */
  readonly users: number;
  /** Number of items, without the padding. */
  readonly items: number;
  /** Number of distinct edges of the graph. */
  readonly edges: number;
  /** Width of the vectors. */
  readonly cfDim: number;
  /** Number of propagation layers. */
  readonly layers: number;
}): CfMemory {
  const { users, items, edges, cfDim, layers } = size;
  const tables = [users + 1, items + 1].map((rows) => 4 * cfDim * rows);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  // Per direction an offset per row and one more, a neighbor and a weight per edge.
  const graph = 4 * (users + 2 + items + 2 + 4 * Math.max(1, edges));
  const held = sum(tables.map(sizeClass));
  // Each layer makes a table and a sum; the backward pass of none has gradients beside the tables.
  return { persistent: graph + sum(tables), held, peak: held * Math.max(3, 2 * layers + 1) };
}

/**
 * The model. Its tables are those of matrix factorization; the vectors of users and items are
 *   (E₀ + E₁ + … + E_layers) / (layers + 1),   E_{l+1} = D^−½ A D^−½ E_l,
 * where A is the bipartite graph of train positives. A user or item without train rows has no edge and a zero row, so
 * its vector is zero. One with train rows but no positive has E₀ / (layers + 1).
 */
export class LightGcn extends PairScores implements CfModel {
  readonly name = 'lightgcn';
  readonly historyLength = 0;
  readonly takesDeviceIds = true;
  readonly cfDim: number;
  /** Number of propagation layers. */
  readonly layers: number;
  readonly group: ParameterGroup;
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly #users: Parameter;
  readonly #items: Parameter;
  readonly #graph: Values['graph'];
  /** D^−½ A D^−½ from items to users. */
  readonly #toUsers: SparseMatrix;
  /** Tables in persistent memory, of the parameters' version. */
  #kept: { readonly tables: Tables; version: number } | null = null;
  /** Tables that a tape differentiates through. */
  #recorded: { readonly tables: Tables; version: number; tape: Tape; isHeld: () => boolean } | null = null;

  private constructor(device: Device, values: Values) {
    super(device);
    const { cfDim, layers, userSeen, itemSeen, graph } = values;
    if (!Number.isInteger(layers) || layers < 0)
      throw new InputError(`layers ${layers} is not a whole number from 0 on`);
    this.cfDim = cfDim;
    this.layers = layers;
    this.userSeen = userSeen;
    this.itemSeen = itemSeen;
    this.#graph = graph;
    this.#toUsers = SparseMatrix.create(device, userSeen.length, itemSeen.length, {
      row: graph.user,
      column: graph.item,
      weight: symmetricWeights(graph, userSeen.length, itemSeen.length),
    });
    const shapes = matrixFactorizationShapes(userSeen.length - 1, itemSeen.length - 1, cfDim);
    try {
      this.group = new ParameterGroup(device, 'cf', [
        { name: userTable, shape: shapes.get(userTable)!, values: values.users, spansBindings: true },
        { name: itemTable, shape: shapes.get(itemTable)!, values: values.items, spansBindings: true },
      ]);
    } catch (error) {
      this.#toUsers.release();
      throw error;
    }
    this.#users = this.group.get(userTable);
    this.#items = this.group.get(itemTable);
  }

  /**
   * A model with seeded random vectors.
   *
   * @throws InputError for an option out of range, and for an edge with an unseen end.
   */
  static create(device: Device, options: LightGcnOptions): LightGcn {
    const { cfDim, layers, graph, initStd = 0.1, seed, userSeen, itemSeen } = options;
    checkTableOptions(cfDim, initStd);
    return new LightGcn(device, {
      cfDim,
      layers,
      userSeen,
      itemSeen,
      users: initialTable('user', userSeen, cfDim, initStd, seed),
      items: initialTable('item', itemSeen, cfDim, initStd, seed),
      graph: distinctEdges(graph, { userSeen, itemSeen }),
    });
  }

  /**
   * The model of a state dict, as {@link LightGcn.state} gives it.
   *
   * @throws InputError naming the tensor that is missing or wrong.
   */
  static fromState(device: Device, state: HostState, source: string): LightGcn {
    const tables = readTables(state, source, 'LightGCN');
    const read = (name: string) => requireTensor(state, name, source, 'LightGCN').data;
    const [user, item] = [read(graphUser), read(graphItem)];
    if (user.length !== item.length) {
      throw new InputError(`${source}: "${graphUser}" has ${user.length} edges, "${graphItem}" ${item.length}`);
    }
    return new LightGcn(device, {
      ...tables,
      layers: read(layersName)[0]!,
      graph: distinctEdges({ user, item }, tables),
    });
  }

  userVectors(users: Indices): Tensor {
    return embedding(this.propagate()[0], users);
  }

  itemVectors(items: Indices): Tensor {
    return embedding(this.propagate()[1], items);
  }

  /**
   * Vectors of all users [users + 1, cfDim] and items [items + 1, cfDim], inside a step. Differentiable. Calls share
   * one propagation until the parameters change or, where gradients are recorded, until the backward pass.
   */
  propagate(): Tables {
    const { version, trainable } = this.group;
    const tape = trainable ? activeTape() : null;
    if (tape === null) return this.#keptTables(version);
    const recorded = this.#recorded;
    if (recorded?.tape === tape && recorded.version === version && recorded.isHeld()) return recorded.tables;
    const tables = this.#propagate();
    this.#recorded = { tables, version, tape, isHeld: tape.hold(tables) };
    return tables;
  }

  /** Propagates the tables, if they are frozen and have changed since the last time. */
  prepareFrozen(): void {
    const { trainable, version } = this.group;
    if (trainable || this.#kept?.version === version) return;
    using _ = this.device.step(false);
    this.propagate();
  }

  #keptTables(version: number): Tables {
    if (this.#kept?.version === version) return this.#kept.tables;
    const { device } = this;
    return tidy(device, () => {
      const fresh = withoutTape(() => this.#propagate());
      this.#kept ??= { tables: persistentLike(fresh), version: -1 };
      const { tables } = this.#kept;
      fresh.forEach(({ slice }, i) => {
        device.recorder.copy(slice, tables[i]!.slice);
      });
      this.#kept.version = version;
      return tables;
    });
  }

  #propagate(): Tables {
    return tidy(this.device, () => {
      let [users, items]: Tensor[] = [this.#users, this.#items];
      let [userSum, itemSum] = [users!, items!];
      for (let layer = 0; layer < this.layers; layer++) {
        const next = [sparseMatmul(this.#toUsers, items!), sparseMatmul(this.#toUsers.transposed, users!)];
        [users, items] = next;
        userSum = add(userSum, users!);
        itemSum = add(itemSum, items!);
      }
      const share = 1 / (this.layers + 1);
      return [scale(userSum, share), scale(itemSum, share)] as const;
    });
  }

  /** Prepares to score items for a batch of users, inside a step. Differentiable. */
  scorer({ users }: UserBatch): UserScorer {
    const [userTensor, itemTensor] = this.propagate();
    const vectors = embedding(userTensor, users);
    return vectorScorer(
      (items) => rowDot(vectors, embedding(itemTensor, items)),
      () => ({ users: vectors, items: itemTensor, bias: unseenMask(this.device, this.itemSeen) }),
    );
  }

  /** All propagated vectors on the host, with the flags of what is seen. */
  async exportEmbeddings(): Promise<CfEmbeddings> {
    const { cfDim, userSeen, itemSeen } = this;
    using _ = this.device.step();
    const [users, items] = this.propagate();
    return { cfDim, users: await users.read(), items: await items.read(), userSeen, itemSeen };
  }

  /**
   * Solves for a user whose edges are the likes, with the vectors of items in every layer as they are. The user's vector
   * is that of propagation, (Σ_i S_i / √(d_u · d_i)) / (layers + 1), with S_i the sum of the item's vectors in all
   * layers but the last, plus e₀ / (layers + 1), which the loss is solved for.
   */
  async userFolding({ loss, decay, prior: given }: FoldInLoss): Promise<UserFolding> {
    const { cfDim, itemSeen, userSeen, layers } = this;
    const prior = given ?? priorOfUsers([{ values: await this.#users.read(), width: cfDim }], userSeen, loss, decay);
    const { items } = await this.exportEmbeddings();
    const sums = await this.#sumsBelow();
    const degree = new Float64Array(itemSeen.length);
    for (const item of this.#graph.item) degree[item]!++;
    const share = 1 / (layers + 1);
    const features = items.map((value) => value * share);
    const pool = seenItems(itemSeen);
    return {
      fold(clicks) {
        const own = distinctClicks(clicks, itemSeen);
        const propagated = new Float64Array(cfDim);
        for (const item of own.liked) {
          // With this user the item has one edge more.
          const weight = share / Math.sqrt(own.liked.length * (degree[item]! + 1));
          for (let c = 0; c < cfDim; c++) propagated[c]! += weight * sums[item * cfDim + c]!;
        }
        const offset = (item: number) => propagated.reduce((sum, own, c) => sum + own * items[item * cfDim + c]!, 0);
        const found = foldIn({ loss, prior, features, offset, pool, ...own });
        return found && { vector: Float32Array.from(found, (value, c) => value * share + propagated[c]!), bias: 0 };
      },
    };
  }

  /** [items + 1, cfDim] sums of the items' vectors in all layers but the last, on the host. */
  async #sumsBelow(): Promise<Float32Array> {
    const { device, layers } = this;
    if (layers === 0) return new Float32Array(this.itemSeen.length * this.cfDim);
    // A model of one layer less has their mean.
    const state = (await this.state()).set(layersName, { shape: [1], data: Float32Array.of(layers - 1) });
    const below = LightGcn.fromState(device, state, 'LightGCN');
    try {
      return (await below.exportEmbeddings()).items.map((value) => value * layers);
    } finally {
      below.release();
    }
  }

  /** Both tables, the flags, and the graph as `graph.user`, `graph.item` (ids, exact up to 2²⁴) and `graph.layers`. */
  async state(): Promise<HostState> {
    const state = addFlags(await readGroup(this.group), this);
    const { user, item } = this.#graph;
    state.set(graphUser, { shape: [user.length], data: Float32Array.from(user) });
    state.set(graphItem, { shape: [item.length], data: Float32Array.from(item) });
    state.set(layersName, { shape: [1], data: Float32Array.of(this.layers) });
    return state;
  }

  /** Frees the tables and the graph. */
  release(): void {
    this.group.release();
    this.#toUsers.release();
    for (const table of this.#kept?.tables ?? []) releasePersistent(table);
    this.#kept = null;
  }
}

/** Persistent memory for both tables. @throws OutOfMemoryError, with neither left allocated. */
function persistentLike(tables: Tables): Tables {
  const { device } = tables[0];
  return allOrNothing(device, (allocate) => {
    const like = ({ size, shape }: Tensor) => new Tensor(device, allocate(4 * size, 'cf vectors'), shape);
    return [like(tables[0]), like(tables[1])] as const;
  });
}

/** Each edge once, in the order of first appearance. */
function distinctEdges({ user, item }: InteractionGraph, { userSeen, itemSeen }: SeenFlags): Values['graph'] {
  if (Math.max(userSeen.length, itemSeen.length) > 2 ** 24) {
    throw new InputError('LightGCN: more than 2²⁴ users or items; ids would not survive a saved state');
  }
  const edges = new Map<number, [number, number]>();
  for (let e = 0; e < user.length; e++) {
    const [u, i] = [user[e]!, item[e]!];
    if (userSeen[u] !== 1 || itemSeen[i] !== 1) {
      throw new InputError(`LightGCN: edge ${e} (user ${u}, item ${i}) has an end without train rows`);
    }
    const key = u * itemSeen.length + i;
    if (!edges.has(key)) edges.set(key, [u, i]);
  }
  const all = [...edges.values()];
  return { user: Uint32Array.from(all, ([u]) => u), item: Uint32Array.from(all, ([, i]) => i) };
}

/** 1 / √(degree of the user · degree of the item) per edge. */
function symmetricWeights({ user, item }: Values['graph'], userRows: number, itemRows: number): Float32Array {
  const [ofUser, ofItem] = [new Float64Array(userRows), new Float64Array(itemRows)];
  for (const u of user) ofUser[u]!++;
  for (const i of item) ofItem[i]!++;
  return Float32Array.from(user, (u, e) => 1 / Math.sqrt(ofUser[u]! * ofItem[item[e]!]!));
}

/** The definition of {@link LightGcn}: `cf.model: lightgcn`, with its options under `cf.lightgcn`. */
export const lightGcnDefinition = {
  ...lightGcnDeclaration,
  information: () => 'T',
  historyLength: () => 0,
  shapes: ({ users, items, cfDim }) => matrixFactorizationShapes(users, items, cfDim),
  // Repeated positives are few, and finding them would take as long as making the graph.
  memory: ({ positives, ...sizes }, { layers }) => lightGcnMemory({ ...sizes, edges: positives(), layers }),
  check: () => {},
  histories: positiveHistories,
  create: (device, dataset, common, options) =>
    LightGcn.create(device, { ...seenInTrain(dataset), ...common, ...options, graph: positiveEdges(dataset) }),
  stateMark: graphUser,
  stateVectors: itemTable,
  fromState: LightGcn.fromState,
  storedOptions: () => ({}),
} as const satisfies CfDefinition<Pick<LightGcnOptions, 'layers'>>;
