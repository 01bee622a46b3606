/** Asymmetric SVD (Koren 2008) on spectral vectors: a user is a sum over the items of the user's clicks, nothing is learned per user. */
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
import type { CfDefinition } from './definition';
import { PairScores, vectorScorer } from './pair-scores';
import { type SeenFlags, seenInTrain } from './seen';
import { spectralVectors } from './spectral';
import { addFlags, checkTableOptions, itemFlags, readFlags, requireTensor, unseenMask, userFlags } from './tables';
import type { ClickColumns } from './training-data';

export interface AsymmetricSvdShape {
  /** Which histories it is trained with: `clickHistories` of this class. */
  readonly information: 'H' | 'P';
  /** Entries of a history that are read, the last ones. */
  readonly historyLength: number;
  /** Clicks of prior strength in a user's level: how slowly it follows the user's labels. */
  readonly levelPrior: number;
  /**
   * When a user's level takes in clicks: after `every` one, or only when their number has doubled (`doublings`): it is then that
   * of the first 1, 2, 4, 8, … of those that are read, and most rows of a user are ranked under the same level. Who has more than
   * `historyLength` has the level of a window that moves with every click. Default `every`.
   */
  readonly levelUpdates?: LevelUpdates;
}

export type LevelUpdates = 'every' | 'doublings';

export interface AsymmetricSvdOptions extends AsymmetricSvdShape, SeenFlags {
  /** Width of the vectors, at least 3: two columns for biases, the rest for taste. */
  readonly cfDim: number;
  /** Train rows: the items' vectors and means are made of them. */
  readonly train: ClickColumns;
  readonly seed: number;
}

const biasName = 'item_bias.weight';
const scaleName = 'item_scale.weight';
const commonName = 'common_bias.weight';
const factorsName = 'asvd.factors';
const meansName = 'asvd.item_mean';
const settingsName = 'asvd.settings';

/** Prior strength of items' means, as in the trivial baselines. */
const meanStrength = 5;
/** Prior strength of the mean residual that is taken off a user's residuals, so that taste holds no level. */
const centerStrength = 2;
/** Prior strength in the length of a taste vector, a sum over √(entries + 5). */
const tasteStrength = 5;
/** What an entry counts of which only is known that it was liked; residuals of labels are about ±½. */
const positiveWeight = 0.4;
/** Log-odds move four times as fast as means near ½. */
const levelScale = 4;

/** Shapes of the trained parameters by name, before anything is allocated. */
export function asymmetricSvdShapes(items: number, cfDim: number): Map<string, readonly number[]> {
  return new Map([
    [biasName, [items + 1, 1]],
    [scaleName, [1, cfDim]],
    [commonName, [1, cfDim]],
  ]);
}

/** Memory of a model beside its parameters: the factors of the items, which are not trained. */
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
 * With f_i = [0, 1, x_i] the fixed factors of an item and m_i its smoothed mean label, the logit of a row is u · v_i of
 *
 *   v_i = f_i + s ⊙ f_i + [b_i + c · f_i, 0, …]        trained: the bias b_i, the scales s and the common bias c, all zero at first
 *   u = [1, 4 R, Σ_e w_e x_e]                          not trained: a function of the row's history
 *
 * R = Σ (label_e − m_e) / (clicks + levelPrior) is the user's level, of all clicks or of the first 2^n. A click weighs its residual less the user's mean residual, a
 * positive of whose neighbors nothing is known .4, all over √(entries + 5). c makes items that the same people click on share
 * a bias, s says how much each direction tells. Beside the biases that is two values per column, to be learned from few rows.
 *
 * Histories are {@link ClickHistory}. An unseen item's vector is zero. A user without a history has the vector [1, 0, …].
 */
export class AsymmetricSvd extends PairScores implements CfModel {
  readonly name = 'asvd';
  readonly information: 'H' | 'P';
  readonly cfDim: number;
  readonly historyLength: number;
  readonly levelPrior: number;
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

  /** A model of train rows, its trained values at zero. @throws InputError for an option out of range. */
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

  /** The model of a state dict, as {@link state} gives it. @throws InputError naming the tensor that is wrong. */
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

  /** With what was disliked. */
  override histories(dataset: Dataset): UserHistories {
    return clickHistories(dataset, this.information);
  }

  /** No gradient flows from it: what is trained is on the items' side. */
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

  /** The trained parameters, the flags, `asvd.factors`, `asvd.item_mean`, and `asvd.settings`: history length, prior of the level, 1 for P, 1 for doublings. */
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

  /** Weights of the items of each history by compressed rows, and what a vector has beside their sum: its first two columns. */
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
      // The factors' column of ones adds the sum of weights; it is taken off here.
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

export const asymmetricSvdDefinition = {
  name: 'asvd',
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
  fromState: AsymmetricSvd.fromState,
  storedOptions(model) {
    const { information, historyLength, levelPrior, levelUpdates } = model as AsymmetricSvd;
    return { information, historyLength, levelPrior, levelUpdates };
  },
} as const satisfies CfDefinition<AsymmetricSvdShape>;
