/**
 * Matrix factorization: the logit of a pair is the dot product of a user's and an item's vector, with biases if asked
 * for.
 */
import type { Device } from '@crossgate/gpu';
import type { HostState, Indices, Parameter, ParameterSpec, Tensor } from '@crossgate/tensor';
import { add, embedding, indexCount, ParameterGroup, readGroup, reshape, rowDot } from '@crossgate/tensor';
import type { CfEmbeddings, CfModel, UserBatch, UserScorer } from './backend';
import { positiveHistories } from './click-history';
import { matrixFactorizationDeclaration } from './declarations';
import { type CfDefinition, noMemory } from './definition';
import { distinctClicks, type FoldInLoss, foldIn, priorOfUsers, seenItems, type UserFolding } from './fold-in';
import { PairScores, vectorScorer } from './pair-scores';
import { type SeenFlags, seenInTrain } from './seen';
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

/** What a matrix factorization is created from. */
export interface MatrixFactorizationOptions extends SeenFlags {
  /** Width of the vectors, at least 1. The CCF-LLM paper has 128, CoLLM 256. */
  readonly cfDim: number;
  /** Standard deviation of the normal initial values, above 0. Default 1 (CoLLM). */
  readonly initStd?: number;
  /** Adds to the logits a bias of the user, one of the item and one of all, which start at 0. Default false (CoLLM). */
  readonly biases?: boolean;
  /** Seed of the initial values. */
  readonly seed: number;
}

const userBias = 'user_bias.weight';
const itemBias = 'item_bias.weight';
const globalBias = 'bias.weight';

/**
 * Shapes of the tables by name, before anything is allocated. The numbers of users and items are without the padding,
 * which has a row of its own.
 */
export function matrixFactorizationShapes(
  users: number,
  items: number,
  cfDim: number,
  biases = false,
): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>([
    [userTable, [users + 1, cfDim]],
    [itemTable, [items + 1, cfDim]],
  ]);
  if (biases) {
    shapes
      .set(userBias, [users + 1, 1])
      .set(itemBias, [items + 1, 1])
      .set(globalBias, [1, 1]);
  }
  return shapes;
}

interface Values extends SeenFlags {
  readonly cfDim: number;
  readonly users: Float32Array;
  readonly items: Float32Array;
  readonly biases: { readonly user: Float32Array; readonly item: Float32Array; readonly all: Float32Array } | null;
}

/**
 * The model: a table of users [users + 1, cfDim] and one of items [items + 1, cfDim] (Koren, Bell & Volinsky 2009). Row
 * 0 (padding) and the rows of unseen users and items are zero from the start and stay so. Without biases, every pair
 * with one of them therefore has the logit 0.
 */
export class MatrixFactorization extends PairScores implements CfModel {
  readonly name = 'mf';
  readonly historyLength = 0;
  readonly takesDeviceIds = true;
  readonly cfDim: number;
  readonly group: ParameterGroup;
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly #users: Parameter;
  readonly #items: Parameter;
  readonly #biases: { readonly user: Parameter; readonly item: Parameter; readonly all: Parameter } | null;

  private constructor(device: Device, values: Values) {
    super(device);
    const { cfDim, userSeen, itemSeen, biases } = values;
    this.cfDim = cfDim;
    this.userSeen = userSeen;
    this.itemSeen = itemSeen;
    const shapes = matrixFactorizationShapes(userSeen.length - 1, itemSeen.length - 1, cfDim, biases !== null);
    const specs: ParameterSpec[] = [
      { name: userTable, shape: shapes.get(userTable)!, values: values.users, spansBindings: true },
      { name: itemTable, shape: shapes.get(itemTable)!, values: values.items, spansBindings: true },
    ];
    if (biases) {
      specs.push({ name: userBias, shape: shapes.get(userBias)!, values: biases.user });
      specs.push({ name: itemBias, shape: shapes.get(itemBias)!, values: biases.item });
      specs.push({ name: globalBias, shape: shapes.get(globalBias)!, values: biases.all });
    }
    this.group = new ParameterGroup(device, 'cf', specs);
    const get = (name: string) => this.group.get(name);
    this.#users = get(userTable);
    this.#items = get(itemTable);
    this.#biases = biases && { user: get(userBias), item: get(itemBias), all: get(globalBias) };
  }

  /**
   * A model with seeded random vectors. The same seed, numbers of users and items, and width give the same values,
   * whatever is seen.
   *
   * @throws InputError for a width or deviation out of range, and for flags that mark the padding as seen.
   */
  static create(device: Device, options: MatrixFactorizationOptions): MatrixFactorization {
    const { cfDim, initStd = 1, seed, userSeen, itemSeen, biases = false } = options;
    checkTableOptions(cfDim, initStd);
    return new MatrixFactorization(device, {
      cfDim,
      userSeen,
      itemSeen,
      users: initialTable('user', userSeen, cfDim, initStd, seed),
      items: initialTable('item', itemSeen, cfDim, initStd, seed),
      biases: biases
        ? {
            user: new Float32Array(userSeen.length),
            item: new Float32Array(itemSeen.length),
            all: new Float32Array(1),
          }
        : null,
    });
  }

  /**
   * The model of a state dict, as {@link MatrixFactorization.state} gives it.
   *
   * @param source what the state was read from, for messages.
   * @throws InputError naming a tensor that is missing, of another shape, or not zero where it is unseen.
   */
  static fromState(device: Device, state: HostState, source: string): MatrixFactorization {
    const tables = readTables(state, source, 'MF');
    const bias = (name: string) => requireTensor(state, name, source, 'MF').data;
    const biases = state.has(userBias) ? { user: bias(userBias), item: bias(itemBias), all: bias(globalBias) } : null;
    return new MatrixFactorization(device, { ...tables, biases });
  }

  userVectors(users: Indices): Tensor {
    return embedding(this.#users, users);
  }

  itemVectors(items: Indices): Tensor {
    return embedding(this.#items, items);
  }

  /** Prepares to score items for a batch of users, inside a step. Differentiable. */
  scorer({ users }: UserBatch): UserScorer {
    const vectors = this.userVectors(users);
    const biases = this.#biases;
    const logits = (items: Indices) => {
      const products = rowDot(vectors, this.itemVectors(items));
      if (!biases) return products;
      const column = (table: Parameter, ids: Indices) => reshape(embedding(table, ids), [indexCount(ids)]);
      const byId = add(column(biases.user, users), column(biases.item, items));
      return add(products, add(byId, column(biases.all, new Uint32Array(indexCount(items)))));
    };
    return vectorScorer(logits, () => {
      const mask = unseenMask(this.device, this.itemSeen);
      const bias = biases ? add(mask, reshape(biases.item, mask.shape)) : mask;
      return { users: vectors, items: this.#items, bias };
    });
  }

  /** All vectors on the host, with the flags of what is seen. Biases are not part of them. */
  async exportEmbeddings(): Promise<CfEmbeddings> {
    const { cfDim, userSeen, itemSeen } = this;
    return { cfDim, users: await this.#users.read(), items: await this.#items.read(), userSeen, itemSeen };
  }

  /** Solves for the vector and the bias of a user, with the vectors and biases of items as they are. */
  async userFolding({ loss, decay, prior: given }: FoldInLoss): Promise<UserFolding> {
    const { cfDim, itemSeen, userSeen } = this;
    const items = await this.#items.read();
    const biases = this.#biases && { item: await this.#biases.item.read(), all: (await this.#biases.all.read())[0]! };
    const tables = [{ values: await this.#users.read(), width: cfDim }];
    if (this.#biases) tables.push({ values: await this.#biases.user.read(), width: 1 });
    const prior = given ?? priorOfUsers(tables, userSeen, loss, decay);
    const features = biases ? withOnes(items, cfDim) : items;
    const offset = (item: number) => (biases ? biases.item[item]! + biases.all : 0);
    const pool = seenItems(itemSeen);
    return {
      fold(clicks) {
        const found = foldIn({ loss, prior, features, offset, pool, ...distinctClicks(clicks, itemSeen) });
        if (found === null) return null;
        const bias = biases ? found[cfDim]! + biases.all : 0;
        return { vector: Float32Array.from(found.subarray(0, cfDim)), bias };
      },
    };
  }

  /**
   * Both tables, the biases if there are any, and the flags as `user_seen` and `item_seen`. Save it with `encodeState`
   * of `@crossgate/tensor`.
   */
  async state(): Promise<HostState> {
    return addFlags(await readGroup(this.group), this);
  }

  /** Frees the tables. */
  release(): void {
    this.group.release();
  }
}

/** Rows with a 1 behind each, which a bias is multiplied with. */
function withOnes(rows: Float32Array, columns: number): Float32Array {
  const wider = new Float32Array((rows.length / columns) * (columns + 1)).fill(1);
  for (let row = 0; row < rows.length / columns; row++) {
    wider.set(rows.subarray(row * columns, (row + 1) * columns), row * (columns + 1));
  }
  return wider;
}

/** The definition of {@link MatrixFactorization}: `cf.model: mf`, with its options under `cf.mf`. */
export const matrixFactorizationDefinition = {
  ...matrixFactorizationDeclaration,
  information: () => 'T',
  historyLength: () => 0,
  shapes: ({ users, items, cfDim }, { biases }) => matrixFactorizationShapes(users, items, cfDim, biases),
  memory: () => noMemory,
  check: () => {},
  histories: positiveHistories,
  create: (device, dataset, common, options) =>
    MatrixFactorization.create(device, { ...seenInTrain(dataset), ...common, ...options }),
  stateMark: userTable,
  stateVectors: itemTable,
  fromState: MatrixFactorization.fromState,
  storedOptions: () => ({}),
} as const satisfies CfDefinition<Pick<MatrixFactorizationOptions, 'biases'>>;
