/** SASRec's published loss: at every position of a sequence, the item that comes next and one that does not. */
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import { bceWithLogits } from '@crossgate/tensor';
import type { UserBatch } from './backend';
import type { SasRec } from './sas-rec';

/** Sequences of a batch, and what is asked at each of their positions. */
export interface SequenceBatch {
  /** Items in time order; none empty, none longer than the model's `historyLength`. */
  readonly sequences: readonly Int32Array[];
  /** [tokens] what follows each position, sequence behind sequence. */
  readonly next: Uint32Array;
  /** [tokens] an item that the user did not choose. */
  readonly negatives: Uint32Array;
  /** Noise of a training step. */
  readonly dropout?: UserBatch['dropout'];
}

/**
 * Losses of a batch, to be recorded inside a step: two tensors [tokens], of the next items as 1 and of the negatives as 0,
 * whose sum is a position's loss. Gradients are those of the mean over positions.
 *
 * @throws InputError for a sequence that is empty or too long, and for items that are not one per position.
 */
export function sequenceLoss(model: SasRec, { sequences, next, negatives, dropout }: SequenceBatch): Tensor[] {
  const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
  if (next.length !== tokens || negatives.length !== tokens) {
    throw new InputError(
      `sequenceLoss: ${next.length} next items and ${negatives.length} negatives for ${tokens} positions`,
    );
  }
  const logits = model.positionScorer(sequences, dropout);
  const against = (items: Uint32Array, label: number) =>
    bceWithLogits(logits(items), new Float32Array(tokens).fill(label), 1 / tokens);
  return [against(next, 1), against(negatives, 0)];
}
