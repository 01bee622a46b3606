/** A CF backend that also answers for users and items which came after its training. */
import type { CfBackend } from '@crossgate/cf';
import type { ParameterGroup } from '@crossgate/tensor';
import { add, fromHost, type Tensor } from '@crossgate/tensor';

/** Stands in prompts for the one person that is scored, where the model has no vector of a user of its own. */
export const ANYONE = 2 ** 31 - 1;

/** Users and items that the backend does not have are its padding, with the zero vector. One person may have another. */
export class LiveBackend implements CfBackend {
  readonly cfDim: number;
  readonly group: ParameterGroup;
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly historyLength: number;
  /** The vector of a user, in the place of the backend's own. */
  person: { readonly user: number; readonly vector: Float32Array } | null = null;

  constructor(readonly backend: CfBackend) {
    this.cfDim = backend.cfDim;
    this.group = backend.group;
    this.userSeen = backend.userSeen;
    this.itemSeen = backend.itemSeen;
    this.historyLength = backend.historyLength;
  }

  userVectors(users: Uint32Array, histories?: readonly Int32Array[]): Tensor {
    const { backend, cfDim, person } = this;
    const rows = this.userSeen.length;
    // Of a model that reads histories, the ids only count the rows.
    if (person === null || this.historyLength > 0) return backend.userVectors(within(users, rows), histories);
    const values = new Float32Array(users.length * cfDim);
    users.forEach((user, row) => {
      if (user === person.user) values.set(person.vector, row * cfDim);
    });
    const others = users.map((user) => (user === person.user ? 0 : user));
    const given = fromHost(backend.group.device, [users.length, cfDim], values);
    return add(backend.userVectors(within(others, rows), histories), given);
  }

  itemVectors(items: Uint32Array): Tensor {
    return this.backend.itemVectors(within(items, this.itemSeen.length));
  }
}

/** The same ids, with padding in the place of those that a table does not have. */
function within(ids: Uint32Array, rows: number): Uint32Array {
  return ids.some((id) => id >= rows) ? ids.map((id) => (id < rows ? id : 0)) : ids;
}
