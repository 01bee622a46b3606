/** SASRec's published loss: at every position of a sequence, the next item against a sampled one. */
import type { Share } from '@crossgate/collective';
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import { bceWithLogits, RandomStream } from '@crossgate/tensor';
import type { CfModel, UserBatch } from './backend';
import { noNegatives } from './negative-pool';
import { SasRec } from './sas-rec';
import type { CfTrainingData } from './training-data';

/** The name of this loss in `CfTrainerOptions.loss`. The other losses take single rows. */
export const sequenceLossName = 'sequence-bce';

/** Sequences of a batch, and the two items that are scored at each of their positions. */
export interface SequenceBatch {
  /** Items in time order; none empty, none longer than the model's `historyLength`. */
  readonly sequences: readonly Int32Array[];
  /** [tokens] the item that follows each position, sequence behind sequence. */
  readonly next: Uint32Array;
  /** [tokens] a sampled item that the user did not choose. */
  readonly negatives: Uint32Array;
  /** Dropout of a training step; absent in evaluation. */
  readonly dropout?: UserBatch['dropout'];
  /** Positions that the mean is over: those of the whole batch where other ranks have some. Default these. */
  readonly meanOver?: number;
}

/**
 * Losses of a batch, to be recorded on a tape inside a step (Kang & McAuley 2018, section III.E): two tensors [tokens],
 * the binary cross entropy of the next items as 1 and of the negatives as 0. Their sum is the loss of each position.
 * The gradients are those of the mean over positions.
 *
 * @throws InputError for a sequence that is empty or too long, and unless there is one item of each kind per position.
 */
export function sequenceLoss(
  model: SasRec,
  { sequences, next, negatives, dropout, meanOver }: SequenceBatch,
): Tensor[] {
  const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
  if (next.length !== tokens || negatives.length !== tokens) {
    throw new InputError(
      `sequenceLoss: ${next.length} next items and ${negatives.length} negatives for ${tokens} positions`,
    );
  }
  const logits = model.positionScorer(sequences, dropout);
  const against = (items: Uint32Array, label: number) =>
    bceWithLogits(logits(items), new Float32Array(tokens).fill(label), 1 / (meanOver ?? tokens));
  return [against(next, 1), against(negatives, 0)];
}

/**
 * The part of a batch that a rank takes, and the sequences in front of it.
 *
 * @param share of the sequences.
 */
export function partOfSequences({ sequences, next, negatives }: SequenceBatch, { start, end }: Share) {
  const tokensTo = (count: number) => sequences.slice(0, count).reduce((sum, { length }) => sum + length, 0);
  const [first, last] = [tokensTo(start), tokensTo(end)];
  return {
    sequences: sequences.slice(start, end),
    next: next.subarray(first, last),
    negatives: negatives.subarray(first, last),
    meanOver: next.length,
    before: sequences.slice(0, start),
  };
}

/**
 * The train sequences of all users with at least two positives in train, and the batches that the host makes of them.
 */
export class TrainSequences {
  /**
   * Row of the last train positive of each such user. The history before it is the user's sequence, and its item is the
   * last one to predict.
   */
  readonly rows: Int32Array;
  /** Number of positions of all sequences, each cut to the model's `historyLength`. */
  readonly tokens: number;
  readonly model: SasRec;
  readonly #history: NonNullable<CfTrainingData['history']>;
  readonly #known = new Map<number, Set<number>>();
  readonly #seenItems: Uint32Array;
  /** Users who like every seen item, and so have no negatives: they are left out. */
  readonly usersLeftOut: number;

  /** @throws InputError for another model than SASRec, and where no user has two positives. */
  constructor(
    model: CfModel,
    readonly data: CfTrainingData,
    readonly seed: number,
  ) {
    if (!(model instanceof SasRec))
      throw new InputError(`the loss ${sequenceLossName} is for SASRec, not ${model.name}`);
    if (!data.history) throw new InputError('SASRec needs histories: data.history');
    this.model = model;
    this.#history = data.history;
    const { rows, user, item, label } = data.train;
    const last = new Map<number, number>();
    for (let row = 0; row < rows; row++) {
      if (label[row] !== 1) continue;
      last.set(user[row]!, row);
      const known = this.#known.get(user[row]!) ?? new Set();
      this.#known.set(user[row]!, known.add(item[row]!));
    }
    this.#seenItems = Uint32Array.from(model.itemSeen.keys()).filter((id) => model.itemSeen[id] === 1);
    const sequences = Int32Array.from(last.values()).filter((row) => this.#read(row).length > 0);
    if (sequences.length === 0) {
      throw new InputError(`no user has two positives in train, which ${sequenceLossName} needs`, {
        code: 'config.value',
        place: 'cf.loss',
        fix: 'choose a loss of single rows, such as softmax or bce',
      });
    }
    this.rows = sequences.filter((row) => this.#known.get(user[row]!)!.size < this.#seenItems.length);
    this.usersLeftOut = sequences.length - this.rows.length;
    if (this.rows.length === 0) throw noNegatives(sequenceLossName, this.#seenItems.length);
    this.tokens = this.rows.reduce((sum, row) => sum + this.#read(row).length, 0);
  }

  #read(row: number): Int32Array {
    return this.#history('train', row, this.model.historyLength);
  }

  /**
   * One batch. Negatives are uniform over seen items that the user has no positive with in train.
   *
   * @param rows of {@link TrainSequences.rows}.
   * @param name of the draws: the same name gives the same negatives.
   */
  batch(rows: Iterable<number>, name: string): Omit<SequenceBatch, 'dropout' | 'meanOver'> {
    const { user, item } = this.data.train;
    const random = new RandomStream(this.seed, `cf.negatives.${name}`);
    const sequences: Int32Array[] = [];
    const next: number[] = [];
    const negatives: number[] = [];
    for (const row of rows) {
      const sequence = this.#read(row);
      const known = this.#known.get(user[row]!)!;
      sequences.push(sequence);
      next.push(...sequence.subarray(1), item[row]!);
      for (let position = 0; position < sequence.length; position++) {
        negatives.push(this.#draw(random, known));
      }
    }
    return { sequences, next: Uint32Array.from(next), negatives: Uint32Array.from(negatives) };
  }

  /** A seen item that is not known. */
  #draw(random: RandomStream, known: ReadonlySet<number>): number {
    const oneOf = (items: Uint32Array) => items[Math.floor(random.uniform() * items.length)]!;
    for (let attempt = 0; attempt < 100; attempt++) {
      const drawn = oneOf(this.#seenItems);
      if (!known.has(drawn)) return drawn;
    }
    // Who likes nearly everything has few left.
    return oneOf(this.#seenItems.filter((item) => !known.has(item)));
  }
}
