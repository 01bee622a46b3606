/** Matrix factorization: the logit of a pair is the dot product of a user's and an item's vector, without biases. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { HostState, Parameter, Tensor } from '@crossgate/tensor';
import { embedding, ParameterGroup, RandomStream, readGroup, rowDot, shapeSize } from '@crossgate/tensor';
import type { CfEmbeddings, CfModel } from './backend';
import type { SeenFlags } from './seen';

export interface MatrixFactorizationOptions extends SeenFlags {
  /** Width of the vectors; the paper's is 128. */
  readonly cfDim: number;
  /** Standard deviation of the normal initial values. Default 1 (CoLLM). */
  readonly initStd?: number;
  readonly seed: number;
}

const userTable = 'user_embedding.weight';
const itemTable = 'item_embedding.weight';
const userFlags = 'user_seen';
const itemFlags = 'item_seen';

/** Shapes of the two tables by name, before anything is allocated. The counts are without the padding, which has a row. */
export function matrixFactorizationShapes(users: number, items: number, cfDim: number): Map<string, readonly number[]> {
  return new Map([
    [userTable, [users + 1, cfDim]],
    [itemTable, [items + 1, cfDim]],
  ]);
}

/** Pairs per dispatch of {@link MatrixFactorization.scorePairs}: their gathered vectors are what takes memory. */
const scoringBatch = 16_384;

/**
 * Tables user [users + 1, cfDim] and item [items + 1, cfDim]. Row 0 (padding) and the rows of unseen users and items are
 * zero from the start and stay so, hence every pair with one of them has the logit 0.
 */
export class MatrixFactorization implements CfModel {
  readonly historyLength = 0;
  readonly cfDim: number;
  readonly group: ParameterGroup;
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly #users: Parameter;
  readonly #items: Parameter;

  private constructor(
    readonly device: Device,
    cfDim: number,
    seen: SeenFlags,
    users: Float32Array,
    items: Float32Array,
  ) {
    this.cfDim = cfDim;
    this.userSeen = seen.userSeen;
    this.itemSeen = seen.itemSeen;
    const shapes = matrixFactorizationShapes(seen.userSeen.length - 1, seen.itemSeen.length - 1, cfDim);
    this.group = new ParameterGroup(device, 'cf', [
      { name: userTable, shape: shapes.get(userTable)!, values: users },
      { name: itemTable, shape: shapes.get(itemTable)!, values: items },
    ]);
    this.#users = this.group.get(userTable);
    this.#items = this.group.get(itemTable);
  }

  /**
   * A model with seeded random vectors. The same seed, counts and width give the same values whatever is seen.
   *
   * @throws InputError for a width or deviation out of range, and for flags that mark the padding as seen.
   */
  static create(device: Device, options: MatrixFactorizationOptions): MatrixFactorization {
    const { cfDim, initStd = 1, seed, userSeen, itemSeen } = options;
    if (!Number.isInteger(cfDim) || cfDim < 1) throw new InputError(`cfDim ${cfDim} is not a positive whole number`);
    if (!(initStd > 0 && Number.isFinite(initStd))) throw new InputError(`initStd ${initStd} is not above 0`);
    const table = (name: string, seen: Uint8Array): Float32Array => {
      if (seen.length < 2 || seen[0] !== 0) {
        throw new InputError(`${name}: flags begin with a 0 for padding and have at least one entry more`);
      }
      const values = new RandomStream(seed, `cf.${name}`).normals(seen.length * cfDim, initStd);
      seen.forEach((flag, row) => {
        if (flag === 0) values.fill(0, row * cfDim, (row + 1) * cfDim);
      });
      return values;
    };
    const users = table('user', userSeen);
    return new MatrixFactorization(device, cfDim, { userSeen, itemSeen }, users, table('item', itemSeen));
  }

  /**
   * The model of a state dict, as {@link state} gives it.
   *
   * @param source what the state was read from, for messages.
   * @throws InputError naming a tensor that is missing, of another shape, or not zero where it is unseen.
   */
  static fromState(device: Device, state: HostState, source: string): MatrixFactorization {
    const [users, userSeen] = readTable(state, userTable, userFlags, source);
    const [items, itemSeen] = readTable(state, itemTable, itemFlags, source);
    const [cfDim, itemDim] = [users.shape[1]!, items.shape[1]!];
    if (cfDim !== itemDim) {
      throw new InputError(`${source}: "${userTable}" is ${cfDim} wide, "${itemTable}" ${itemDim}; it is no MF model`);
    }
    return new MatrixFactorization(device, cfDim, { userSeen, itemSeen }, users.data, items.data);
  }

  userVectors(users: Uint32Array): Tensor {
    return embedding(this.#users, users);
  }

  itemVectors(items: Uint32Array): Tensor {
    return embedding(this.#items, items);
  }

  logits(users: Uint32Array, items: Uint32Array): Tensor {
    return rowDot(this.userVectors(users), this.itemVectors(items));
  }

  /**
   * Logits of pairs of any number. Runs in batches on the device and waits for it once.
   *
   * @throws InputError for columns of unequal length and for an id out of range.
   */
  async scorePairs(users: ArrayLike<number>, items: ArrayLike<number>): Promise<Float32Array> {
    const { length } = users;
    if (items.length !== length) throw new InputError(`scorePairs: ${length} users for ${items.length} items`);
    if (length === 0) return new Float32Array(0);
    const { memory, recorder } = this.device;
    const scores = memory.persistent(4 * length, 'scores');
    try {
      for (let start = 0; start < length; start += scoringBatch) {
        const count = Math.min(scoringBatch, length - start);
        const ids = (column: ArrayLike<number>) => Uint32Array.from({ length: count }, (_, i) => column[start + i]!);
        using _ = this.device.step();
        recorder.copy(this.logits(ids(users), ids(items)).slice, range(scores, 4 * start, 4 * count));
      }
      return new Float32Array(await recorder.read(scores));
    } finally {
      memory.free(scores);
    }
  }

  /** All vectors, with the flags of what is seen. */
  async exportEmbeddings(): Promise<CfEmbeddings> {
    const { cfDim, userSeen, itemSeen } = this;
    return { cfDim, users: await this.#users.read(), items: await this.#items.read(), userSeen, itemSeen };
  }

  /** Both tables, and the flags as `user_seen` and `item_seen`. Save it with `encodeState` of `@crossgate/tensor`. */
  async state(): Promise<HostState> {
    const state = await readGroup(this.group);
    for (const [name, flags] of [
      [userFlags, this.userSeen],
      [itemFlags, this.itemSeen],
    ] as const) {
      state.set(name, { shape: [flags.length], data: Float32Array.from(flags) });
    }
    return state;
  }

  /** Frees the tables. */
  release(): void {
    this.group.release();
  }
}

function range({ storage, offset }: BufferSlice, start: number, size: number): BufferSlice {
  return { storage, offset: offset + start, size };
}

/** One table of a state and its flags, checked. */
function readTable(
  state: HostState,
  tableName: string,
  flagsName: string,
  source: string,
): [table: { shape: readonly number[]; data: Float32Array }, seen: Uint8Array] {
  const table = state.get(tableName);
  const flags = state.get(flagsName);
  for (const [name, found] of [
    [tableName, table],
    [flagsName, flags],
  ] as const) {
    if (found === undefined) throw new InputError(`${source}: the tensor "${name}" is missing; it is no MF model`);
  }
  const { shape, data } = table!;
  const rows = shape[0] ?? 0;
  const columns = shape[1] ?? 0;
  if (shape.length !== 2 || rows < 2 || columns < 1 || data.length !== shapeSize(shape)) {
    throw new InputError(`${source}: "${tableName}" has shape [${shape.join(', ')}], expected [rows, cfDim]`);
  }
  if (flags!.data.length !== rows) {
    throw new InputError(
      `${source}: "${flagsName}" has ${flags!.data.length} flags for ${rows} rows of "${tableName}"`,
    );
  }
  const seen = Uint8Array.from(flags!.data, (flag) => (flag === 0 ? 0 : 1));
  seen.forEach((flag, row) => {
    if (flag === 0 && data.subarray(row * columns, (row + 1) * columns).some((value) => value !== 0)) {
      throw new InputError(`${source}: row ${row} of "${tableName}" is unseen but not zero`);
    }
  });
  return [table!, seen];
}
