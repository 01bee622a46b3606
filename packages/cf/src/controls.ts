// Controls: backends whose vectors say nothing of the user or item they are given for. What a method gains from them is
// not CF.
import { InputError } from '@crossgate/gpu';
import { RandomStream } from '@crossgate/tensor';
import type { CfBackend } from './backend';
import { MatrixFactorization } from './matrix-factorization';

/** The controls by name. */
export const cfControls = ['permuted-items', 'permuted-users', 'random-vectors', 'permuted-at-evaluation'] as const;
/** The name of a control, see {@link controlBackend}. */
export type CfControl = (typeof cfControls)[number];

/** A backend of a control, and what frees the memory that it added. */
export interface ControlBackend {
  /** In place of the backend that was given. */
  readonly backend: CfBackend;
  /** Frees what the control made; the backend that was given stays its owner's. */
  release(): void;
}

/**
 * A backend of the same widths, seen users and items, whose vectors are of the wrong ones:
 *
 * - `permuted-items`: each seen item has the vector of another seen one, wherever it stands alone; user vectors stay.
 * - `permuted-users`: each seen user has the vector of another seen one. Where a user's vector is made of a history,
 *   the items of the history are permuted instead, the same way for everybody.
 * - `permuted-at-evaluation`: as `permuted-items`; it is meant for a model that was trained on the right vectors.
 * - `random-vectors`: normal vectors with the root mean square of the trained item vectors, which are not to be
 *   trained.
 *
 * @param seed of the permutation or the vectors: the same seed gives the same control.
 */
export async function controlBackend(backend: CfBackend, control: CfControl, seed: number): Promise<ControlBackend> {
  if (control === 'random-vectors') {
    const { cfDim, userSeen, itemSeen } = backend;
    const initStd = await rootMeanSquare(backend);
    const random = MatrixFactorization.create(backend.group.device, { cfDim, userSeen, itemSeen, initStd, seed });
    return { backend: random, release: () => random.release() };
  }
  const of = (flags: Uint8Array) => permutationOf(flags, new RandomStream(seed, `control.${control}`));
  const permuted =
    control !== 'permuted-users'
      ? new Permuted(backend, { items: of(backend.itemSeen) })
      : backend.historyLength > 0
        ? new Permuted(backend, { histories: of(backend.itemSeen) })
        : new Permuted(backend, { users: of(backend.userSeen) });
  return { backend: permuted, release: () => {} };
}

/** Which vector each id is given; ids that are missing keep their own. */
interface Permutations {
  readonly items?: Uint32Array;
  readonly users?: Uint32Array;
  /** Of the items in histories. */
  readonly histories?: Uint32Array;
}

/** A backend that looks its ids up in permutations. */
class Permuted implements CfBackend {
  readonly #inner: CfBackend;
  readonly #permutations: Permutations;
  readonly cfDim: number;
  readonly group: CfBackend['group'];
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly historyLength: number;

  constructor(inner: CfBackend, permutations: Permutations) {
    this.#inner = inner;
    this.#permutations = permutations;
    ({
      cfDim: this.cfDim,
      group: this.group,
      userSeen: this.userSeen,
      itemSeen: this.itemSeen,
      historyLength: this.historyLength,
    } = inner);
  }

  userVectors(users: Uint32Array, histories?: readonly Int32Array[]) {
    const { users: permuted, histories: items } = this.#permutations;
    return this.#inner.userVectors(
      lookUp(users, permuted),
      // Entries of clicks that were no positives are negative; 0 is padding.
      items ? histories?.map((list) => list.map((entry) => Math.sign(entry) * items[Math.abs(entry)]!)) : histories,
    );
  }

  itemVectors(items: Uint32Array) {
    return this.#inner.itemVectors(lookUp(items, this.#permutations.items));
  }
}

/** @throws InputError for an id out of range, as the backend itself does */
function lookUp(ids: Uint32Array, permuted: Uint32Array | undefined): Uint32Array {
  if (!permuted) return ids;
  const wrong = ids.find((id) => id >= permuted.length);
  if (wrong !== undefined) throw new InputError(`id ${wrong} is out of range (0 … ${permuted.length - 1})`);
  return ids.map((id) => permuted[id]!);
}

/** A random cycle through the ids that are seen: none keeps its own, unless it is the only one. Others keep theirs. */
function permutationOf(seen: Uint8Array, random: RandomStream): Uint32Array {
  const permuted = Uint32Array.from(seen, (_, id) => id);
  const ids = [...permuted.keys()].filter((id) => seen[id] === 1);
  // Sattolo's algorithm: a uniformly random cyclic permutation.
  const shuffled = [...ids];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * i);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  ids.forEach((id, i) => {
    permuted[id] = shuffled[i]!;
  });
  return permuted;
}

/** Of the vectors of seen items, of at most 1,024 that are spread over them; 1 where there are none. */
async function rootMeanSquare(backend: CfBackend): Promise<number> {
  const { itemSeen, group } = backend;
  const seen = Uint32Array.from(itemSeen.keys()).filter((item) => itemSeen[item] === 1);
  if (seen.length === 0) return 1;
  const rows = Math.min(seen.length, 1024);
  const items = Uint32Array.from({ length: rows }, (_, i) => seen[Math.floor((i * seen.length) / rows)]!);
  using _ = group.device.step();
  const values = await backend.itemVectors(items).read();
  const mean = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  return Math.sqrt(mean) || 1;
}
