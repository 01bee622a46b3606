/** SASRec (Kang & McAuley 2018): a user's vector is the last state of causal self-attention over the user's history. */
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { HostState, Indices, PackedSequences, Parameter, ParameterSpec, Tensor } from '@crossgate/tensor';
import {
  add,
  attention,
  dropout,
  embedding,
  fromHost,
  indexCount,
  layerNorm,
  linearModule,
  linearSpecs,
  noRow,
  ParameterGroup,
  RandomStream,
  readGroup,
  relu,
  rowDot,
  scale,
  zeros,
} from '@crossgate/tensor';
import type { CfModel, UserBatch, UserScorer } from './backend';
import { positiveHistories } from './click-history';
import { sasRecDeclaration } from './declarations';
import { type CfDefinition, noMemory } from './definition';
import { PairScores, vectorScorer } from './pair-scores';
import { type SeenFlags, seenInTrain } from './seen';
import {
  addFlags,
  checkTableOptions,
  initialTable,
  itemFlags,
  itemTable,
  readFlags,
  readTable,
  requireTensor,
  unseenMask,
  userFlags,
} from './tables';

/** Sizes of a SASRec, and the order of its layers. */
export interface SasRecShape {
  /** Width of the item vectors, of the states and of the inner layer of the feed-forward networks. */
  readonly cfDim: number;
  /** Number of positions: the last items of a history are read. At least 1. CoLLM: 25. */
  readonly historyLength: number;
  /** Number of blocks, each of attention and a feed-forward network. At least 1. CoLLM: 2. */
  readonly blocks: number;
  /** Number of attention heads. They must divide cfDim into at most 128 each. */
  readonly heads: number;
  /** What a block normalizes: its input (`pre`), or the sum of its input and output (`post`). */
  readonly norm: 'pre' | 'post';
}

/** What a SASRec is created from. */
export interface SasRecOptions extends SasRecShape, SeenFlags {
  /** Share of embeddings, attention outputs and feed-forward activations that training drops, in [0, 1). */
  readonly dropout: number;
  /** Standard deviation of the initial item and position vectors, above 0. Default .01. */
  readonly initStd?: number;
  /** Seed of the initial values. */
  readonly seed: number;
}

const positionTable = 'position_embedding.weight';
const settingsName = 'sasrec.settings';
const epsilon = 1e-8;

/** Linear layers of a block; all of them are square. */
const linearNames = ['query', 'key', 'value', 'output', 'feed_forward.input', 'feed_forward.output'];

/** Shapes of all parameters by name, before anything is allocated; `items` is without the padding. */
export function sasRecShapes(items: number, shape: SasRecShape): Map<string, readonly number[]> {
  const { cfDim, historyLength, blocks } = shape;
  const shapes = new Map<string, readonly number[]>([
    [itemTable, [items + 1, cfDim]],
    [positionTable, [historyLength, cfDim]],
  ]);
  const add = (name: string, weight: readonly number[]) =>
    shapes.set(`${name}.weight`, weight).set(`${name}.bias`, [cfDim]);
  for (let block = 0; block < blocks; block++) {
    add(`blocks.${block}.attention_norm`, [cfDim]);
    add(`blocks.${block}.feed_forward_norm`, [cfDim]);
    for (const name of linearNames) add(`blocks.${block}.${name}`, [cfDim, cfDim]);
  }
  add('final_norm', [cfDim]);
  return shapes;
}

/**
 * The model. Histories are packed without padding, so none can leak. Positions count from the end, as with padding on
 * the left: the last item always has the last one. The logit of an item is the dot product of the last state with the
 * input vector of the item. An empty history gives the zero vector.
 */
export class SasRec extends PairScores implements CfModel {
  readonly name = 'sasrec';
  readonly cfDim: number;
  readonly historyLength: number;
  readonly group: ParameterGroup;
  readonly userSeen: Uint8Array;
  readonly itemSeen: Uint8Array;
  readonly #items: Parameter;

  private constructor(
    device: Device,
    /** Its sizes and the order of its layers. */
    readonly shape: SasRecShape,
    /** Share that training drops, in [0, 1). */
    readonly dropout: number,
    seen: SeenFlags,
    specs: readonly ParameterSpec[],
  ) {
    super(device);
    this.cfDim = shape.cfDim;
    this.historyLength = shape.historyLength;
    this.userSeen = seen.userSeen;
    this.itemSeen = seen.itemSeen;
    this.group = new ParameterGroup(device, 'cf', specs);
    this.#items = this.group.get(itemTable);
  }

  /** A model with seeded random values. @throws InputError for an option out of range. */
  static create(device: Device, options: SasRecOptions): SasRec {
    const { cfDim, initStd = 0.01, seed, userSeen, itemSeen } = options;
    checkTableOptions(cfDim, initStd);
    checkShape(options, options.dropout);
    const items = initialTable('item', itemSeen, cfDim, initStd, seed);
    const specs = parameterSpecs({ ...options, initStd }, items, itemSeen.length);
    return new SasRec(device, options, options.dropout, { userSeen, itemSeen }, specs);
  }

  /**
   * The model of a state dict, as {@link SasRec.state} gives it.
   *
   * @throws InputError naming the tensor that is missing or wrong.
   */
  static fromState(device: Device, state: HostState, source: string): SasRec {
    const [table, itemSeen] = readTable(state, itemTable, itemFlags, source, 'SASRec');
    const userSeen = readFlags(state, userFlags, source, 'SASRec');
    const settings = requireTensor(state, settingsName, source, 'SASRec').data;
    const [historyLength, blocks, heads, pre, rate] = settings as unknown as [number, number, number, number, number];
    const norm = pre === 1 ? 'pre' : 'post';
    const shape: SasRecShape = { cfDim: table.shape[1]!, historyLength, blocks, heads, norm };
    checkShape(shape, rate);
    const specs = parameterSpecs({ ...shape, seed: 0, initStd: 1 }, table.data, itemSeen.length).map((spec) => {
      const { shape: found, data } = requireTensor(state, spec.name, source, 'SASRec');
      if (found.join() !== spec.shape.join()) {
        throw new InputError(
          `${source}: "${spec.name}" has shape [${found.join(', ')}], expected [${spec.shape.join(', ')}]`,
        );
      }
      return { ...spec, values: data };
    });
    return new SasRec(device, shape, rate, { userSeen, itemSeen }, specs);
  }

  userVectors(users: Indices, histories?: readonly Int32Array[]): Tensor {
    return this.#states({ users, ...(histories && { histories }) });
  }

  itemVectors(items: Indices): Tensor {
    return embedding(this.#items, items);
  }

  scorer(batch: UserBatch): UserScorer {
    const states = this.#states(batch);
    return vectorScorer(
      (items) => rowDot(states, this.itemVectors(items)),
      () => ({ users: states, items: this.#items, bias: unseenMask(this.device, this.itemSeen) }),
    );
  }

  /**
   * Prepares to score one item at every position of sequences from the items up to there, inside a step.
   *
   * @param sequences none empty and none longer than `historyLength`.
   * @returns a function of items [tokens], sequence behind sequence, that gives their logits [tokens].
   * @throws InputError naming a sequence that is empty or too long.
   */
  positionScorer(sequences: readonly Int32Array[], noise?: UserBatch['dropout']): (items: Uint32Array) => Tensor {
    const { historyLength } = this;
    const wrong = sequences.findIndex(({ length }) => length < 1 || length > historyLength);
    const packed = wrong < 0 ? pack(this.device, sequences, historyLength, false) : null;
    if (packed === null) {
      throw new InputError(
        `SASRec: sequence ${wrong} has ${sequences[wrong]?.length ?? 'no'} items, expected 1 to ${historyLength}`,
      );
    }
    const states = this.#positionStates(packed, noise);
    return (items) => rowDot(states, this.itemVectors(items));
  }

  /** All parameters, the flags, and `sasrec.settings`: history length, blocks, heads, 1 for `pre`, dropout. */
  async state(): Promise<HostState> {
    const state = addFlags(await readGroup(this.group), this);
    const { historyLength, blocks, heads, norm } = this.shape;
    const settings = Float32Array.of(historyLength, blocks, heads, norm === 'pre' ? 1 : 0, this.dropout);
    return state.set(settingsName, { shape: [settings.length], data: settings });
  }

  /** Frees the parameters. */
  release(): void {
    this.group.release();
  }

  /** Last states [n, cfDim]. */
  #states({ users, histories, dropout: noise }: UserBatch): Tensor {
    const { device, shape } = this;
    const rows = indexCount(users);
    if (histories?.length !== rows) {
      throw new InputError(`SASRec: ${rows} rows need as many histories, got ${histories?.length ?? 'none'}`);
    }
    // Rows of a training step draw noise of their own.
    const packed = pack(device, histories, shape.historyLength, !noise);
    if (packed === null) return zeros(device, [rows, shape.cfDim]);
    const states = this.#positionStates(packed, noise, packed.last);
    return packed.sequenceOfRow ? embedding(states, packed.sequenceOfRow) : states;
  }

  /**
   * States of packed histories: at all positions [tokens, cfDim], or at those of `wanted` alone. Then the last block
   * computes only keys and values of the other positions.
   */
  #positionStates(
    { items, places, sequences }: PackedHistories,
    noise: UserBatch['dropout'],
    wanted?: Uint32Array,
  ): Tensor {
    const { group, shape } = this;
    const { cfDim, blocks, heads, norm } = shape;
    let stream = 0;
    // Sequences of other ranks in front of these: the masks are those of the whole batch.
    const lengths = (noise?.before ?? []).map(({ length }) => Math.min(length, shape.historyLength));
    const before = {
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      wanted: lengths.filter((length) => length > 0).length,
    };
    const dropAt = (rowsBefore: number) => (x: Tensor) => {
      if (!noise || this.dropout === 0) return x;
      const { seed, counter } = noise;
      const first = rowsBefore * cfDim;
      if (first % 4 !== 0) {
        throw new InputError(`${cfDim} is no multiple of 4, which dropout over several ranks needs`, {
          code: 'config.value',
          place: 'cf.cfDim',
          fix: 'choose such a width, or set cf.sasrec.dropout to 0',
        });
      }
      return dropout(x, { seed, counter, first, probability: this.dropout, stream: 0x5a500000 + stream++ });
    };
    const drop = dropAt(before.tokens);
    const dropWanted = dropAt(wanted ? before.wanted : before.tokens);
    const normalize = (name: string) => (x: Tensor) =>
      layerNorm(x, group.get(`${name}.weight`), group.get(`${name}.bias`), epsilon);
    const rows = (x: Tensor) => (wanted ? embedding(x, wanted) : x);
    const all = (x: Tensor) => x;
    /** A sublayer with its residual connection, at the rows that the sublayer keeps. */
    const residual = (x: Tensor, name: string, sublayer: (x: Tensor) => Tensor, keep = all) =>
      norm === 'pre' ? add(keep(x), sublayer(normalize(name)(x))) : normalize(name)(add(keep(x), sublayer(x)));

    let x = drop(
      add(scale(embedding(this.#items, items), Math.sqrt(cfDim)), embedding(group.get(positionTable), places)),
    );
    for (let block = 0; block < blocks; block++) {
      const module = (name: string) => linearModule(group, `blocks.${block}.${name}`);
      const [keep, dropKept] = block === blocks - 1 ? [rows, dropWanted] : [all, drop];
      const attend = (input: Tensor) => {
        const [query, key, value] = ['query', 'key', 'value'].map((name) => module(name)(input)) as Tensor[];
        const options = { heads, keyValueHeads: heads, headDim: cfDim / heads };
        return dropKept(module('output')(keep(attention(query!, key!, value!, sequences, options))));
      };
      x = residual(x, `blocks.${block}.attention_norm`, attend, keep);
      x = residual(x, `blocks.${block}.feed_forward_norm`, (input) =>
        dropKept(module('feed_forward.output')(relu(dropKept(module('feed_forward.input')(input))))),
      );
    }
    return normalize('final_norm')(x);
  }
}

function checkShape(shape: SasRecShape, dropoutRate: number): void {
  const { cfDim, heads, historyLength, blocks } = shape;
  for (const [name, value] of Object.entries({ heads, historyLength, blocks })) {
    if (!Number.isInteger(value) || value < 1) throw new InputError(`${name} ${value} is not a positive whole number`);
  }
  if (cfDim % heads !== 0 || cfDim / heads > 128) {
    throw new InputError(`heads ${heads} must divide cfDim ${cfDim} into at most 128 each`);
  }
  if (!(dropoutRate >= 0 && dropoutRate < 1)) throw new InputError(`dropout ${dropoutRate} is not in [0, 1)`);
}

/**
 * Parameters with their initial values: torch's for linear layers, ones and zeros for norms. All decay, as in torch.
 */
function parameterSpecs(
  options: SasRecShape & { readonly seed: number; readonly initStd: number },
  items: Float32Array | null,
  itemRows: number,
): ParameterSpec[] {
  const { cfDim, historyLength, blocks, seed, initStd } = options;
  const random = new RandomStream(seed, 'cf.sasrec');
  const normSpecs = (name: string): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [cfDim], values: new Float32Array(cfDim).fill(1) },
    { name: `${name}.bias`, shape: [cfDim], values: new Float32Array(cfDim) },
  ];
  const specs: ParameterSpec[] = [
    { name: itemTable, shape: [itemRows, cfDim], values: items ?? new Float32Array(0), spansBindings: true },
    {
      name: positionTable,
      shape: [historyLength, cfDim],
      values: new RandomStream(seed, 'cf.position').normals(historyLength * cfDim, initStd),
    },
  ];
  for (let block = 0; block < blocks; block++) {
    specs.push(...normSpecs(`blocks.${block}.attention_norm`), ...normSpecs(`blocks.${block}.feed_forward_norm`));
    for (const name of linearNames) {
      specs.push(...linearSpecs(`blocks.${block}.${name}`, cfDim, cfDim, random));
    }
  }
  return [...specs, ...normSpecs('final_norm')].map((spec) => ({ ...spec, decay: true }));
}

interface PackedHistories {
  /** [tokens] items, and their positions counted from the end of the window. */
  readonly items: Uint32Array;
  readonly places: Uint32Array;
  readonly sequences: PackedSequences;
  /** [sequences] the last token of each. */
  readonly last: Uint32Array;
  /** [n] the sequence of each history, {@link noRow} where it is empty. Null where each history has its own. */
  readonly sequenceOfRow: Uint32Array | null;
}

/**
 * Packs the last `limit` items of each history. @returns null when all are empty.
 *
 * @param shared whether consecutive histories that are the same array are packed once (a user's rows between likes).
 */
function pack(
  device: Device,
  histories: readonly Int32Array[],
  limit: number,
  shared: boolean,
): PackedHistories | null {
  const filled: Int32Array[] = [];
  const sequenceOfRow = new Uint32Array(histories.length);
  histories.forEach((history, row) => {
    const items = history.subarray(Math.max(0, history.length - limit));
    if (items.length > 0 && !(shared && isSame(filled.at(-1), items))) filled.push(items);
    sequenceOfRow[row] = items.length === 0 ? noRow : filled.length - 1;
  });
  if (filled.length === 0) return null;
  const offsets = new Uint32Array(filled.length + 1);
  filled.forEach(({ length }, s) => {
    offsets[s + 1] = offsets[s]! + length;
  });
  const tokens = offsets.at(-1)!;
  const [items, places, positions, sequenceOfToken] = Array.from({ length: 4 }, () => new Uint32Array(tokens)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  filled.forEach((history, s) => {
    const start = offsets[s]!;
    items.set(history, start);
    sequenceOfToken.fill(s, start, offsets[s + 1]!);
    for (let j = 0; j < history.length; j++) {
      positions[start + j] = j;
      places[start + j] = limit - history.length + j;
    }
  });
  const last = offsets.slice(1).map((end) => end - 1);
  const upload = (values: Uint32Array) => fromHost(device, [values.length], values);
  const sequences = {
    offsets: upload(offsets),
    sequenceOfToken: upload(sequenceOfToken),
    positions: upload(positions),
    tokens,
  };
  return { items, places, sequences, last, sequenceOfRow: filled.length === histories.length ? null : sequenceOfRow };
}

const isSame = (a: Int32Array | undefined, b: Int32Array): boolean =>
  a !== undefined && a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;

/** The definition of {@link SasRec}: `cf.model: sasrec`, with its options under `cf.sasrec`. */
export const sasRecDefinition = {
  ...sasRecDeclaration,
  information: () => 'H',
  historyLength: ({ historyLength }) => historyLength,
  shapes: ({ items, cfDim }, options) => sasRecShapes(items, { ...options, cfDim }),
  memory: () => noMemory,
  check({ heads }, cfDim) {
    if (cfDim % heads === 0 && cfDim / heads <= 128) return;
    throw new InputError(`cf.sasrec.heads: ${heads} must divide cf.cfDim ${cfDim} into at most 128 each`);
  },
  histories: positiveHistories,
  create: (device, dataset, common, options) =>
    SasRec.create(device, { ...seenInTrain(dataset), ...common, ...options }),
  stateMark: settingsName,
  stateVectors: itemTable,
  fromState: SasRec.fromState,
  storedOptions: () => ({}),
} as const satisfies CfDefinition<Omit<SasRecShape, 'cfDim'> & Pick<SasRecOptions, 'dropout'>>;
