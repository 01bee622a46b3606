/** What a CF model is trained to do with a batch of rows, and the negatives it is shown. */
import { fill } from '@crossgate/kernels';
import { bceWithLogits, crossEntropy, empty, type Indices, indexCount, subtract, type Tensor } from '@crossgate/tensor';
import type { CfModel, UserBatch } from './backend';
import type { CfLoss } from './loss-names';

export { type CfLoss, cfLosses } from './loss-names';

/** A batch of rows, as a loss reads it. */
export interface LossRows {
  readonly users: UserBatch;
  readonly items: Indices;
  /** [n], read by `bce`. */
  readonly labels: Float32Array | Tensor;
  /** One item per row that its user has no positive with; read by `sampled-bce` and `bpr`. */
  readonly negatives: Indices | null;
  /** Rows that the mean is over: those of the whole batch where other ranks have some. Default the rows given. */
  readonly meanOver?: number;
}

/**
 * Losses of a batch, to be recorded on a tape: tensors [n], whose sum is the loss of each row. The gradients are those
 * of the mean over rows.
 */
export function cfLoss(
  model: CfModel,
  loss: CfLoss,
  { users, items, labels, negatives, meanOver }: LossRows,
): Tensor[] {
  const rows = indexCount(items);
  const { device } = model.group;
  const scorer = model.scorer(users);
  const scale = 1 / (meanOver ?? rows);
  const constant = (value: number): Tensor => {
    const out = empty(device, [rows]);
    fill(device, { out: out.slice, value, count: rows });
    return out;
  };
  const sampled = () => scorer.logits(negatives ?? new Uint32Array(0));
  switch (loss) {
    case 'bce':
      return [bceWithLogits(scorer.logits(items), labels, scale)];
    case 'sampled-bce':
      return [bceWithLogits(scorer.logits(items), constant(1), scale), bceWithLogits(sampled(), constant(0), scale)];
    case 'bpr':
      // −log σ(x) is the binary cross entropy of the logit x with label 1.
      return [bceWithLogits(subtract(scorer.logits(items), sampled()), constant(1), scale)];
    case 'softmax':
      return [crossEntropy(scorer.allLogits(), items instanceof Uint32Array ? items : items.indices, scale)];
  }
}

/** Number of tensors that {@link cfLoss} gives. */
export function lossParts(loss: CfLoss): number {
  return loss === 'sampled-bce' ? 2 : 1;
}
