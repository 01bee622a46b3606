/** Tables of user and item vectors: initial values, states, and the mask of items that may be recommended. */
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { rowsPerBinding } from '@crossgate/kernels';
import type { HostState, Tensor } from '@crossgate/tensor';
import { fromHost, RandomStream, shapeSize } from '@crossgate/tensor';
import type { SeenFlags } from './seen';

/** Name of the table of users' vectors in states: [users + 1, cfDim]. */
export const userTable = 'user_embedding.weight';
/** Name of the table of items' vectors in states: [items + 1, cfDim]. */
export const itemTable = 'item_embedding.weight';
/** Name of the flags of seen users in states: [users + 1]. */
export const userFlags = 'user_seen';
/** Name of the flags of seen items in states: [items + 1]. */
export const itemFlags = 'item_seen';

/** Tables that kernels take in parts. They may be larger than one binding. */
const spanningTables: readonly string[] = [userTable, itemTable];

/**
 * Whether a parameter of a CF model can be bound to a kernel on this device: as a whole or, for the tables of users and
 * items, a part of its rows at a time. A batch of vectors is divided together with its indices, so a binding must take
 * as many rows as indices that may be bound apart.
 *
 * @param name of the parameter, as in states.
 * @param shape of its f32 values.
 */
export function fitsBindings(device: Pick<Device, 'capabilities'>, name: string, shape: readonly number[]): boolean {
  if (4 * shapeSize(shape) <= device.capabilities.limits.maxStorageBufferBindingSize) return true;
  return spanningTables.includes(name) && rowsPerBinding(device, [shape[1] ?? 1, 1]) > 0;
}

/** Checks the options that every model has. @throws InputError naming the one out of range. */
export function checkTableOptions(cfDim: number, initStd: number): void {
  if (!Number.isInteger(cfDim) || cfDim < 1) throw new InputError(`cfDim ${cfDim} is not a positive whole number`);
  if (!(initStd > 0 && Number.isFinite(initStd))) throw new InputError(`initStd ${initStd} is not above 0`);
}

/**
 * Seeded normal vectors [seen.length, cfDim], zero where unseen. The same seed, count and width give the same values
 * whatever is seen.
 *
 * @param name `user` or `item`, the stream of the random numbers.
 * @throws InputError for flags that mark the padding as seen.
 */
export function initialTable(
  name: 'user' | 'item',
  seen: Uint8Array,
  cfDim: number,
  initStd: number,
  seed: number,
): Float32Array {
  if (seen.length < 2 || seen[0] !== 0) {
    throw new InputError(`${name}: flags begin with a 0 for padding and have at least one entry more`);
  }
  const values = new RandomStream(seed, `cf.${name}`).normals(seen.length * cfDim, initStd);
  seen.forEach((flag, row) => {
    if (flag === 0) values.fill(0, row * cfDim, (row + 1) * cfDim);
  });
  return values;
}

/**
 * Ids as the device takes them.
 *
 * @param from position of the first one wanted.
 * @param count number of ids wanted.
 * @param what beginning of a message, such as `topItems: user`.
 * @throws InputError for a value that is no id, such as the −1 of an `indexOf` that found nothing or the id of a
 * source. Whether the id is in the table is checked where it is looked up.
 */
export function denseIds(column: ArrayLike<number>, from: number, count: number, what: string): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => {
    const id = column[from + i]!;
    if (Number.isInteger(id) && id >= 0 && id < 2 ** 31) return id;
    throw new InputError(`${what} ${JSON.stringify(id)} at position ${from + i} is not a dense id (1, 2, …)`);
  });
}

/** Adds the flags to a state, as `user_seen` and `item_seen`. @returns the same state. */
export function addFlags(state: HostState, { userSeen, itemSeen }: SeenFlags): HostState {
  for (const [name, flags] of [
    [userFlags, userSeen],
    [itemFlags, itemSeen],
  ] as const) {
    state.set(name, { shape: [flags.length], data: Float32Array.from(flags) });
  }
  return state;
}

/**
 * A tensor of a state.
 *
 * @param source what the state was read from.
 * @param model its name in messages.
 * @throws InputError when the tensor is missing.
 */
export function requireTensor(state: HostState, name: string, source: string, model: string) {
  const found = state.get(name);
  if (found === undefined) throw new InputError(`${source}: the tensor "${name}" is missing; it is no ${model} model`);
  return found;
}

/**
 * Flags of a state, 0 or 1.
 *
 * @param name such as `user_seen`.
 * @param source what the state was read from.
 * @param model its name in messages.
 * @throws InputError when they are missing.
 */
export function readFlags(state: HostState, name: string, source: string, model: string): Uint8Array {
  return Uint8Array.from(requireTensor(state, name, source, model).data, (flag) => (flag === 0 ? 0 : 1));
}

/**
 * One table of a state and its flags, checked.
 * @throws InputError naming a tensor that is missing, of another shape, or not zero where it is unseen.
 */
export function readTable(
  state: HostState,
  tableName: string,
  flagsName: string,
  source: string,
  model: string,
): [table: { shape: readonly number[]; data: Float32Array }, seen: Uint8Array] {
  const table = requireTensor(state, tableName, source, model);
  const seen = readFlags(state, flagsName, source, model);
  const { shape, data } = table;
  const rows = shape[0] ?? 0;
  const columns = shape[1] ?? 0;
  if (shape.length !== 2 || rows < 2 || columns < 1 || data.length !== shapeSize(shape)) {
    throw new InputError(`${source}: "${tableName}" has shape [${shape.join(', ')}], expected [rows, cfDim]`);
  }
  if (seen.length !== rows) {
    throw new InputError(`${source}: "${flagsName}" has ${seen.length} flags for ${rows} rows of "${tableName}"`);
  }
  seen.forEach((flag, row) => {
    if (flag === 0 && data.subarray(row * columns, (row + 1) * columns).some((value) => value !== 0)) {
      throw new InputError(`${source}: row ${row} of "${tableName}" is unseen but not zero`);
    }
  });
  return [table, seen];
}

/** Both tables of a state. @throws InputError as {@link readTable} does, and when their widths differ. */
export function readTables(state: HostState, source: string, model: string) {
  const [users, userSeen] = readTable(state, userTable, userFlags, source, model);
  const [items, itemSeen] = readTable(state, itemTable, itemFlags, source, model);
  const [cfDim, itemDim] = [users.shape[1]!, items.shape[1]!];
  if (cfDim !== itemDim) {
    throw new InputError(
      `${source}: "${userTable}" is ${cfDim} wide, "${itemTable}" ${itemDim}; it is no ${model} model`,
    );
  }
  return { cfDim, users: users.data, items: items.data, userSeen, itemSeen };
}

/** A step tensor [items + 1] to add to logits of all items: 0 for seen items, −1e30 for padding and unseen ones. */
export function unseenMask(device: Device, itemSeen: Uint8Array): Tensor {
  return fromHost(
    device,
    [itemSeen.length],
    Float32Array.from(itemSeen, (flag) => (flag === 1 ? 0 : -1e30)),
  );
}
