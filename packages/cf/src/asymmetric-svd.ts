/**
 * Asymmetric SVD (Koren 2008) on spectral vectors: a user's vector is a sum over the items of the user's clicks.
 * Nothing is learned per user.
 */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { sparsePropagation } from '@crossgate/kernels';
import type { HostState, Indices, Parameter, Tensor } from '@crossgate/tensor';
import {
  add,
  embedding,
  fromHost,
  indexCount,
  linear,
  multiply,
  ParameterGroup,
  persistent,
  readGroup,
  releasePersistent,
  rowDot,
} from '@crossgate/tensor';
import type { CfMemory, CfModel, UserBatch, UserScorer } from './backend';
import { smoothedMeans } from './baselines';
import { type ClickHistory, clickHistories, type UserHistories } from './click-history';
import { asymmetricSvdDeclaration } from './declarations';
import type { CfDefinition } from './definition';
import { PairScores, vectorScorer } from './pair-scores';
import { type SeenFlags, seenInTrain } from './seen';
import { spectralVectors } from './spectral';
import { addFlags, checkTableOptions, itemFlags, readFlags, requireTensor, unseenMask, userFlags } from './tables';
import type { ClickColumns } from './training-data';

/** Settings of an asymmetric SVD that its histories and its scores depend on. */
export interface AsymmetricSvdShape {
  /** Information class of the histories that it reads: those of `clickHistories` of this class. */
  readonly information: 'H' | 'P';
  /** Number of entries of a history that are read, the last ones; at least 1. */
  readonly historyLength: number;
  /**
   * Prior strength of a user's level, in clicks, above 0: the larger, the more slowly the level follows the user's
   * labels.
   */
  readonly levelPrior: number;
  /**
   * When a user's level takes in new clicks: after `every` one (default), or only at the first 1, 2, 4, 8, … of those
   * that are read (`doublings`), so that most rows of a user are ranked under the same level. With more than
   * `historyLength` clicks, the window moves with every click, and so does the level.
   */
  readonly levelUpdates?: LevelUpdates;
}

/** When a user's level takes in new clicks: see {@link AsymmetricSvdShape.levelUpdates}. */
export type LevelUpdates = 'every' | 'doublings';

/** What an asymmetric SVD is created from. */
export interface AsymmetricSvdOptions extends AsymmetricSvdShape, SeenFlags {
  /** Width of the vectors, at least 3: two columns for biases, the others for taste. */
  readonly cfDim: number;
  /** Train rows. The items' spectral vectors and mean labels are computed from them. */
  readonly train: ClickColumns;
  /** Seed of the subspace iteration in {@link spectralVectors}. Nothing else of this model is random. */
  readonly seed: number;
}

const biasName = 'item_bias.weight';
const scaleName = 'item_scale.weight';
const commonName = 'common_bias.weight';
const factorsName = 'asvd.factors';
const meansName = 'asvd.item_mean';
const settingsName = 'asvd.settings';

/** Prior strength of the items' means, as in the trivial baselines. */
const meanStrength = 5;
/** Prior strength of the mean residual that is subtracted from a user's residuals, so that taste holds no level. */
const centerStrength = 2;
/** Prior strength in the length of a taste vector, a sum over √(entries + 5). */
const tasteStrength = 5;
/** Weight of an entry of which only is known that the user liked it. Residuals of labels are about ±½. */
const positiveWeight = 0.4;
/** Log-odds move four times as fast as means near ½. */
const levelScale = 4;

/** Shapes of the trained parameters by name, before anything is allocated; `items` is without the padding. */
export function asymmetricSvdShapes(items: number, cfDim: number): Map<string, readonly number[]> {
  return new Map([
    [biasName, [items + 1, 1]],
    [scaleName, [1, cfDim]],
    [commonName, [1, cfDim]],
  ]);
}

/** Memory beside the parameters: the items' factors, which are not trained; `items` is without the padding. */
export function asymmetricSvdMemory(items: number, cfDim: number): CfMemory {
  return { persistent: 4 * (items + 1) * cfDim, held: 0, peak: 0 };
}

interface Values extends AsymmetricSvdShape, SeenFlags {
  /** [items + 1, cfDim]: 0, 1 and the spectral vector; zero where unseen. */
  readonly factors: Float32Array;
  readonly itemMean: Float32Array;
  readonly bias: Float32Array;
  readonly scale: Float32Array;
  readonly common: Float32Array;
  readonly cfDim: number;
}

/**
 * The model. With f_i = [0, 1, x_i] the fixed factors of item i (x_i its spectral vector) and m_i its smoothed mean
 * label, the logit of a row is u · v_i:
 *
 *   v_i = f_i + s ⊙ f_i + [b_i + c · f_i, 0, …]   trained: bias b_i, scales s, common bias c; all start at 0
 *   u = [1, 4 R, Σ_e w_e x_e]                     not trained: a function of the row's history
 *
 * R = Σ (label_e − m_e) / (clicks + levelPrior) is the user's level, of all clicks or of the first 2^n. The weight w_e
 * of a click is its residual label_e − m_e less the user's shrunken mean residual; that of a positive of which only the
 * liking is known is .4. Both are divided by √(entries + 5). By c, items that the same people click on share a bias; s
 * says how much each direction tells. Beside the items' biases only two values per column are learned, so few rows are
 * enough.
 *
 * Histories are {@link ClickHistory}. An unseen item's vector is zero, that of a user without a history [1, 0, …].
 */
export class AsymmetricSvd extends PairScores implements CfModel {
  readonly name = 'asvd';
  /** Class of the histories that it reads. */
  readonly information: 'H' | 'P';
  readonly cfDim: number;
  /** Number of entries of a history that are read, the last ones. */
  readonly historyLength: number;
  /** Prior strength of a user's level, in clicks. */
  readonly levelPrior: number;
  /** When a user's level takes in new clicks: see {@link AsymmetricSvdShape.levelUpdates}. */
  readonly levelUpdates: LevelUpdates;
  readonly group: ParameterGroup;
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly #values: Values;
  readonly #factors: Tensor;
  readonly #biases: Parameter;
  readonly #scale: Parameter;
  readonly #common: Parameter;

  private constructor(device: Device, values: Values) {
    super(device);
    const { cfDim, information, historyLength, levelPrior, userSeen, itemSeen, factors, bias } = values;
    this.levelUpdates = values.levelUpdates ?? 'every';
    this.information = information;
    this.cfDim = cfDim;
    this.historyLength = historyLength;
    this.levelPrior = levelPrior;
    this.userSeen = userSeen;
    this.itemSeen = itemSeen;
    this.#values = values;
    const shapes = asymmetricSvdShapes(itemSeen.length - 1, cfDim);
    this.group = new ParameterGroup(device, 'cf', [
      { name: biasName, shape: shapes.get(biasName)!, values: bias },
      { name: scaleName, shape: shapes.get(scaleName)!, values: values.scale },
      { name: commonName, shape: shapes.get(commonName)!, values: values.common },
    ]);
    try {
      this.#factors = persistent(device, [itemSeen.length, cfDim], 'cf', factors);
    } catch (error) {
      this.group.release();
      throw error;
    }
    this.#biases = this.group.get(biasName);
    this.#scale = this.group.get(scaleName);
    this.#common = this.group.get(commonName);
  }

  /**
   * A model of train rows, its trained values at zero. The items' vectors are computed on the host.
   *
   * @throws InputError for an option out of range.
   */
  static create(device: Device, options: AsymmetricSvdOptions): AsymmetricSvd {
    const { cfDim, train, seed, itemSeen } = options;
    checkShape(cfDim, options);
    const itemRows = itemSeen.length;
    const vectors = spectralVectors(train, itemRows, cfDim - 2, seed);
    const factors = new Float32Array(itemRows * cfDim);
    itemSeen.forEach((flag, i) => {
      if (flag === 0) return;
      factors[i * cfDim + 1] = 1;
      factors.set(vectors.subarray(i * (cfDim - 2), (i + 1) * (cfDim - 2)), i * cfDim + 2);
    });
    return new AsymmetricSvd(device, {
      ...options,
      factors,
      itemMean: Float32Array.from(smoothedMeans(train.item, train.label, itemRows - 1, meanStrength)),
      bias: new Float32Array(itemRows),
      scale: new Float32Array(cfDim),
      common: new Float32Array(cfDim),
    });
  }

  /** The model of a state dict, as {@link AsymmetricSvd.state} gives it. @throws InputError naming the tensor that is wrong. */
  static fromState(device: Device, state: HostState, source: string): AsymmetricSvd {
    const model = 'asymmetric SVD';
    const itemSeen = readFlags(state, itemFlags, source, model);
    const userSeen = readFlags(state, userFlags, source, model);
    const settings = requireTensor(state, settingsName, source, model).data;
    const [historyLength = 0, levelPrior = 0, ofClicks = 0, doublings = 0] = settings;
    const cfDim = requireTensor(state, scaleName, source, model).shape[1] ?? 0;
    const read = (name: string, shape: readonly number[]): Float32Array => {
      const found = requireTensor(state, name, source, model);
      if (found.shape.join() === shape.join()) return found.data;
      throw new InputError(
        `${source}: "${name}" has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}]`,
      );
    };
    const shape: AsymmetricSvdShape = {
      ...{ information: ofClicks === 1 ? 'P' : 'H', historyLength, levelPrior },
      levelUpdates: doublings === 1 ? 'doublings' : 'every',
    };
    checkShape(cfDim, shape);
    const itemRows = itemSeen.length;
    return new AsymmetricSvd(device, {
      ...{ ...shape, cfDim, userSeen, itemSeen },
      factors: read(factorsName, [itemRows, cfDim]),
      itemMean: read(meansName, [itemRows]),
      bias: read(biasName, [itemRows, 1]),
      scale: read(scaleName, [1, cfDim]),
      common: read(commonName, [1, cfDim]),
    });
  }

  /** Histories with the labels that {@link information} allows: see `clickHistories`. */
  override histories(dataset: Dataset): UserHistories {
    return clickHistories(dataset, this.information);
  }

  /**
   * Vectors of users from their histories alone; the ids only count the rows. No gradient flows to them, since all that
   * is trained belongs to the items.
   *
   * @throws InputError unless there is one history per row, of items that exist.
   */
  userVectors(users: Indices, histories?: readonly ClickHistory[]): Tensor {
    const { device, cfDim, itemSeen } = this;
    const rows = indexCount(users);
    if (histories?.length !== rows) {
      throw new InputError(`asymmetric SVD: ${rows} rows need as many histories, got ${histories?.length ?? 'none'}`);
    }
    const entries = this.#entries(histories);
    const out = fromHost(device, [rows, cfDim], entries.own);
    const upload = (values: Uint32Array | Float32Array) => fromHost(device, [values.length], values).slice;
    sparsePropagation(device, {
      offsets: upload(entries.offsets),
      neighbors: upload(entries.items),
      weights: upload(entries.weights),
      x: this.#factors.slice,
      out: out.slice,
      rows,
      inputRows: itemSeen.length,
      columns: cfDim,
      accumulate: true,
    });
    return out;
  }

  /** The vector of a user by the history alone, on the host. @throws InputError for an item that does not exist */
  hostUserVector(history: ClickHistory): Float32Array {
    const { cfDim } = this;
    const { factors } = this.#values;
    const { own, items, weights, offsets } = this.#entries([history]);
    const sum = Float64Array.from(own);
    for (let entry = 0; entry < offsets[1]!; entry++) {
      const at = items[entry]! * cfDim;
      for (let c = 0; c < cfDim; c++) sum[c]! += weights[entry]! * factors[at + c]!;
    }
    return Float32Array.from(sum);
  }

  itemVectors(items: Indices): Tensor {
    return this.#mapped(embedding(this.#factors, items), embedding(this.#biases, items));
  }

  scorer({ users, histories }: UserBatch): UserScorer {
    const vectors = this.userVectors(users, histories);
    return vectorScorer(
      (items) => rowDot(vectors, this.itemVectors(items)),
      () => ({
        users: vectors,
        items: this.#mapped(this.#factors, this.#biases),
        bias: unseenMask(this.device, this.itemSeen),
      }),
    );
  }

  /**
   * The trained parameters, the flags, `asvd.factors`, `asvd.item_mean`, and `asvd.settings` [4]: history length, prior
   * strength of the level, 1 for class P (else 0), 1 for doublings (else 0).
   */
  async state(): Promise<HostState> {
    const { cfDim, historyLength, levelPrior, itemSeen } = this;
    const { information, factors, itemMean } = this.#values;
    const flags = [information === 'P', this.levelUpdates === 'doublings'].map(Number);
    return addFlags(await readGroup(this.group), this)
      .set(factorsName, { shape: [itemSeen.length, cfDim], data: factors })
      .set(meansName, { shape: [itemSeen.length], data: itemMean })
      .set(settingsName, { shape: [4], data: Float32Array.of(historyLength, levelPrior, ...flags) });
  }

  release(): void {
    this.group.release();
    releasePersistent(this.#factors);
  }

  /** v = f + s ⊙ f + [b + c · f, 0, …] for rows of factors [n, cfDim] and biases [n, 1]. */
  #mapped(factors: Tensor, biases: Tensor): Tensor {
    const first = new Float32Array(this.cfDim);
    first[0] = 1;
    const bias = add(biases, linear(factors, this.#common));
    const scales = embedding(this.#scale, new Uint32Array(factors.rows));
    return add(add(factors, multiply(factors, scales)), linear(bias, fromHost(this.device, [this.cfDim, 1], first)));
  }

  /** The items of each history and their weights as compressed rows, and the first two columns of each vector. */
  #entries(histories: readonly ClickHistory[]) {
    const { cfDim, historyLength, levelPrior, levelUpdates, itemSeen } = this;
    const { itemMean } = this.#values;
    const offsets = new Uint32Array(histories.length + 1);
    const own = new Float32Array(histories.length * cfDim);
    const items: number[] = [];
    const weights: number[] = [];
    histories.forEach((history, row) => {
      const zero = history.indexOf(0);
      // Without a 0 there are no clicks.
      const first = Math.max(0, history.length - historyLength - (zero < 0 ? 0 : 1));
      let [clicks, entries, residuals, level] = [0, 0, 0, 0];
      for (let at = first; at < history.length; at++) {
        const item = Math.abs(history[at]!);
        if (item >= itemSeen.length) {
          throw new InputError(`asymmetric SVD: history ${row} names item ${item}, the last is ${itemSeen.length - 1}`);
        }
        if (item !== 0) entries++;
        if (at >= zero) continue;
        clicks++;
        residuals += (history[at]! > 0 ? 1 : 0) - itemMean[item]!;
        // A power of two has no bit in common with the number before it.
        if (levelUpdates === 'every' || (clicks & (clicks - 1)) === 0) level = residuals / (clicks + levelPrior);
      }
      const center = residuals / (clicks + centerStrength);
      const scale = 1 / Math.sqrt(entries + tasteStrength);
      let sum = 0;
      for (let at = first; at < history.length; at++) {
        const item = Math.abs(history[at]!);
        if (itemSeen[item] !== 1) continue;
        const weight = scale * (at < zero ? (history[at]! > 0 ? 1 : 0) - itemMean[item]! - center : positiveWeight);
        items.push(item);
        weights.push(weight);
        sum += weight;
      }
      offsets[row + 1] = items.length;
      own[row * cfDim] = 1;
      // The factors' column of ones adds the sum of weights; it is subtracted here.
      own[row * cfDim + 1] = levelScale * level - sum;
    });
    // WebGPU has no empty buffers; the offsets keep the filler from being read.
    if (items.length === 0) [items[0], weights[0]] = [0, 0];
    return { offsets, own, items: Uint32Array.from(items), weights: Float32Array.from(weights) };
  }
}

function checkShape(cfDim: number, { historyLength, levelPrior }: AsymmetricSvdShape): void {
  checkTableOptions(cfDim, 1);
  if (cfDim < 3) throw new InputError(`cfDim ${cfDim} is below 3: two columns are for biases`);
  if (!Number.isInteger(historyLength) || historyLength < 1) {
    throw new InputError(`historyLength ${historyLength} is not a positive whole number`);
  }
  if (!(levelPrior > 0 && Number.isFinite(levelPrior))) throw new InputError(`levelPrior ${levelPrior} is not above 0`);
}

/** The definition of {@link AsymmetricSvd}: `cf.model: asvd`, with its options under `cf.asvd`. */
export const asymmetricSvdDefinition = {
  ...asymmetricSvdDeclaration,
  information: ({ information }) => information,
  historyLength: ({ historyLength }) => historyLength,
  shapes: ({ items, cfDim }) => asymmetricSvdShapes(items, cfDim),
  memory: ({ items, cfDim }) => asymmetricSvdMemory(items, cfDim),
  check(_, cfDim) {
    if (cfDim < 3) throw new InputError(`cf.cfDim: ${cfDim} is below 3, of which two are for biases`);
  },
  histories: (dataset, { information }) => clickHistories(dataset, information),
  create: (device, dataset, common, options) =>
    AsymmetricSvd.create(device, {
      ...seenInTrain(dataset),
      ...common,
      ...options,
      train: dataset.splits.train,
    }),
  stateMark: settingsName,
  stateVectors: factorsName,
  levelColumns: 2,
  // The directions that they belong to are those of other train rows.
  startsAnew: [scaleName, commonName],
  fromState: AsymmetricSvd.fromState,
  storedOptions(model) {
    const { information, historyLength, levelPrior, levelUpdates } = model as AsymmetricSvd;
    return { information, historyLength, levelPrior, levelUpdates };
  },
} as const satisfies CfDefinition<AsymmetricSvdShape>;
