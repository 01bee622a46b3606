/** What a CF model is trained to do with a batch of rows, and the negatives it is shown. */
import type { Tensor } from '@crossgate/tensor';
import { bceWithLogits, crossEntropy, RandomStream, subtract } from '@crossgate/tensor';
import type { CfModel, UserBatch } from './backend';

/**
 * `bce`: binary cross entropy of every row's label. The others learn from positive rows alone:
 * `sampled-bce`: the item as 1 and one sampled item as 0 (SASRec's);
 * `bpr`: −log σ(logit of the item − logit of one sampled item) (Rendle et al. 2009);
 * `softmax`: cross entropy of the item among all seen items.
 */
export const cfLosses = ['bce', 'sampled-bce', 'bpr', 'softmax'] as const;
export type CfLoss = (typeof cfLosses)[number];

export interface LossRows {
  readonly users: UserBatch;
  readonly items: Uint32Array;
  readonly labels: Float32Array;
  /** One item per row that is no positive of its user; read by `sampled-bce` and `bpr`. */
  readonly negatives: Uint32Array;
}

/** Losses of a batch, to be recorded: tensors of [n] each, whose sum is a row's loss. Gradients are those of the mean. */
export function cfLoss(model: CfModel, loss: CfLoss, { users, items, labels, negatives }: LossRows): Tensor[] {
  const rows = items.length;
  const scorer = model.scorer(users);
  const scale = 1 / rows;
  const constant = (value: number) => new Float32Array(rows).fill(value);
  switch (loss) {
    case 'bce':
      return [bceWithLogits(scorer.logits(items), labels, scale)];
    case 'sampled-bce':
      return [
        bceWithLogits(scorer.logits(items), constant(1), scale),
        bceWithLogits(scorer.logits(negatives), constant(0), scale),
      ];
    case 'bpr':
      // −log σ(x) is the binary cross entropy of the logit x with label 1.
      return [bceWithLogits(subtract(scorer.logits(items), scorer.logits(negatives)), constant(1), scale)];
    case 'softmax':
      return [crossEntropy(scorer.allLogits(), items, scale)];
  }
}

/** Number of tensors that {@link cfLoss} gives. */
export function lossParts(loss: CfLoss): number {
  return loss === 'sampled-bce' ? 2 : 1;
}

/** Draws items that a user has no positive train row with, uniformly from the seen ones. */
export class NegativeSampler {
  readonly #positives = new Map<number, Set<number>>();
  readonly #items: Uint32Array;

  /** @param itemSeen flags of the items to draw from. */
  constructor(
    itemSeen: Uint8Array,
    { user, item, label }: { user: ArrayLike<number>; item: ArrayLike<number>; label: ArrayLike<number> },
    private readonly seed: number,
  ) {
    this.#items = Uint32Array.from(itemSeen.keys()).filter((id) => itemSeen[id] === 1);
    for (let row = 0; row < user.length; row++) {
      if (label[row] !== 1) continue;
      const known = this.#positives.get(user[row]!) ?? new Set();
      this.#positives.set(user[row]!, known.add(item[row]!));
    }
  }

  /** The draws of one epoch (from 0), the same whenever it is run: takes the users of one batch after the other. */
  epoch(epoch: number): (users: Uint32Array) => Uint32Array {
    const random = new RandomStream(this.seed, `cf.negatives.${epoch}`);
    return (users) =>
      users.map((user) => {
        const known = this.#positives.get(user);
        let item = 0;
        // A user who likes nearly everything ends the search; the last draw then stands.
        for (let attempt = 0; attempt < 100; attempt++) {
          item = this.#items[Math.floor(random.uniform() * this.#items.length)]!;
          if (!known?.has(item)) break;
        }
        return item;
      });
  }
}
