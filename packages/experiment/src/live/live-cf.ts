/** Scores by one CF model on the host: the vectors of items stay in memory, and only a user's vector has to be found. */
import { type CfModel, knowsUser, type UserFolding } from '@crossgate/cf';
import type { ExperimentConfig } from '../config/schema';
import type { CfDetails } from '../runners/cf-model';
import { foldingOf, knownUsers } from '../runners/known-users';
import type { Event, LiveData } from './live-data';
import type { Basis } from './live-run';
import { Recent } from './recent';

/** Users whose vectors are read from the device at once. */
const BLOCK = 1024;
/** All vectors of users are read when a run is opened, unless they take more bytes. */
const READ_AHEAD = 2 ** 28;
/** Bytes of vectors that are kept beyond those: of people solved for, and of blocks that were not read ahead. */
const KEPT = 2 ** 26;

/** Bytes that a view takes beside its vector. */
const OVERHEAD = 256;

/** What a person is to a CF model. */
export interface CfView {
  /** [cfDim]. */
  readonly vector: Float32Array;
  /** Added to every logit. */
  readonly constant: number;
  /** What the vector is made of. */
  readonly basis: Exclude<Basis, 'popularity'>;
}

/** Whose view is asked for: `user` is null for a history without a user. */
export interface Someone {
  /** Dense id. */
  readonly user: number | null;
  /** All that the person did, oldest first. */
  readonly events: readonly Event[];
}

/** Vectors of some users on the host, and what is added to all of their logits. */
interface Block {
  readonly vectors: Float32Array;
  readonly constants: Float64Array;
}

/** One CF model of a run, ready to score any number of items for anybody. */
export class LiveCf {
  readonly #blocks: Recent<number, Promise<Block>>;
  readonly #views: Recent<number, CfView>;
  /** Whether all vectors of users are read first, and kept. */
  readonly #readsAhead: boolean;

  private constructor(
    readonly model: CfModel,
    private readonly data: LiveData,
    private readonly knows: (user: number) => boolean,
    private readonly folding: UserFolding | null,
    /** [items + 1, cfDim]. */
    readonly items: Float32Array,
    /** [items + 1]. */
    private readonly bias: Float32Array,
    private readonly gpu: <T>(work: () => Promise<T>) => Promise<T>,
  ) {
    const bytes = 4 * model.cfDim;
    this.#readsAhead = model.historyLength === 0 && bytes * model.userSeen.length <= READ_AHEAD;
    this.#blocks = new Recent(this.#readsAhead ? Number.POSITIVE_INFINITY : Math.ceil(KEPT / (BLOCK * bytes)));
    this.#views = new Recent(Math.ceil(KEPT / (bytes + OVERHEAD)));
  }

  /**
   * Reads the vectors of items and, unless they are very many, of users.
   * @param details of the model's training, which name its loss
   * @param gpu runs work that uses the device when nothing else does
   */
  static async open(
    model: CfModel,
    details: CfDetails,
    config: ExperimentConfig,
    data: LiveData,
    gpu: <T>(work: () => Promise<T>) => Promise<T>,
  ): Promise<LiveCf> {
    const { dataset } = data;
    const reads = model.historyLength > 0;
    const knows = reads ? () => false : knownUsers(model, dataset, details, config);
    const folding = reads ? null : await foldingOf(model, dataset, details, config);
    const { items, bias } = await itemMatrix(model);
    const made = new LiveCf(model, data, knows, folding, items, bias, gpu);
    const users = made.#readsAhead ? model.userSeen.length : 0;
    for (let block = 0; block * BLOCK < users; block++) await made.#block(block);
    return made;
  }

  /** What was kept of a user is no longer true. */
  forget(user: number): void {
    this.#views.delete(user);
  }

  /** Whether the model has anything of an item to go by. */
  knowsItem(item: number): boolean {
    return this.model.itemSeen[item] === 1;
  }

  /** The history of a person as the model reads it; undefined for a model that reads none. */
  historyOf({ events }: Pick<Someone, 'events'>): Int32Array | undefined {
    const { historyLength } = this.model;
    if (historyLength === 0) return undefined;
    return this.model.histories(this.data.alone(events)).latest(1, historyLength);
  }

  /** The vector of a person; null where the model has nothing to go by. */
  async view(someone: Someone): Promise<CfView | null> {
    const { user } = someone;
    const kept = user === null ? undefined : this.#views.get(user);
    if (kept) return kept;
    if (user !== null && user < this.model.userSeen.length && this.knows(user)) {
      const { vectors, constants } = await this.#block(Math.floor(user / BLOCK));
      const [at, { cfDim }] = [user % BLOCK, this.model];
      const vector = vectors.subarray(at * cfDim, (at + 1) * cfDim);
      return { vector, constant: constants[at]!, basis: 'user' };
    }
    const observed = user === null ? 0 : this.data.observed(user);
    const view = this.model.historyLength > 0 ? await this.#byHistory(someone) : this.fold(someone.events);
    // What was observed while the device worked is not in this view.
    if (view && user !== null && this.data.observed(user) === observed) this.#views.set(user, view);
    return view;
  }

  /** The view of whoever did this, solved for; null for models that cannot, and where the loss learns nothing of it. */
  fold(events: readonly Event[]): CfView | null {
    const of = (wanted: 0 | 1) => events.flatMap(({ item, label }) => (label === wanted ? [item] : []));
    const found = this.folding?.fold({ liked: of(1), disliked: of(0) });
    return found ? { vector: found.vector, constant: found.bias, basis: 'folded-in' } : null;
  }

  async #byHistory(someone: Someone): Promise<CfView | null> {
    const history = this.historyOf(someone)!;
    if (!knowsUser(this.model, 0, () => history)) return null;
    const vector = this.model.hostUserVector?.(history) ?? (await this.gpu(() => this.#userVector(history)));
    return { vector, constant: 0, basis: 'history' };
  }

  async #userVector(history: Int32Array): Promise<Float32Array> {
    using _ = this.model.group.device.step();
    return this.model.userVectors(Uint32Array.of(0), [history]).read();
  }

  /**
   * The logits of items; of one without train rows what all such have.
   * @param items dense ids
   */
  logits({ vector, constant }: CfView, items: ArrayLike<number>): Float64Array {
    const { items: table, bias } = this;
    const { cfDim, itemSeen } = this.model;
    const logits = new Float64Array(items.length).fill(constant);
    for (let n = 0; n < items.length; n++) {
      const item = items[n]!;
      if (itemSeen[item] !== 1) continue;
      const at = item * cfDim;
      // Four sums at a time: a single one waits for each addition.
      let [a, b, c, d] = [0, 0, 0, 0];
      let k = 0;
      for (; k + 3 < cfDim; k += 4) {
        a += vector[k]! * table[at + k]!;
        b += vector[k + 1]! * table[at + k + 1]!;
        c += vector[k + 2]! * table[at + k + 2]!;
        d += vector[k + 3]! * table[at + k + 3]!;
      }
      for (; k < cfDim; k++) a += vector[k]! * table[at + k]!;
      logits[n]! += a + b + (c + d) + bias[item]!;
    }
    return logits;
  }

  #block(index: number): Promise<Block> {
    const known = this.#blocks.get(index);
    if (known) return known;
    const block = this.gpu(() => this.#readBlock(index));
    this.#blocks.set(index, block);
    block.catch(() => this.#blocks.delete(index));
    return block;
  }

  async #readBlock(index: number): Promise<Block> {
    const { model, items, bias } = this;
    const { cfDim, userSeen, itemSeen } = model;
    const first = index * BLOCK;
    const users = Uint32Array.from({ length: Math.min(BLOCK, userSeen.length - first) }, (_, i) => first + i);
    // What the logit of one item is beyond the product of vectors is the user's own.
    const probe = itemSeen.indexOf(1);
    using _ = model.group.device.step();
    const scorer = model.scorer({ users });
    const [vectors, logits] = await Promise.all([
      scorer.all().users.read(),
      scorer.logits(new Uint32Array(users.length).fill(probe)).read(),
    ]);
    const constants = Float64Array.from(users, (_user, row) => {
      let product = bias[probe]!;
      for (let k = 0; k < cfDim; k++) product += vectors[row * cfDim + k]! * items[probe * cfDim + k]!;
      const rest = logits[row]! - product;
      // Rounding is no bias.
      return Math.abs(rest) < 1e-5 * (1 + Math.abs(product)) ? 0 : rest;
    });
    return { vectors, constants };
  }
}

/** Vectors and biases of all items. */
async function itemMatrix(model: CfModel): Promise<{ items: Float32Array; bias: Float32Array }> {
  using _ = model.group.device.step();
  const histories = model.historyLength > 0 ? [new Int32Array()] : undefined;
  const { items, bias } = model.scorer({ users: Uint32Array.of(0), ...(histories && { histories }) }).all();
  const [vectors, biases] = await Promise.all([items.read(), bias.read()]);
  return { items: vectors, bias: biases };
}
