/** What every model answers through its scorer alone: logits of pairs, in a step or of any number. */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import { linear } from '@crossgate/tensor';
import type { AllItems, HistoryOf, UserBatch, UserScorer } from './backend';
import { positiveHistories, type UserHistories } from './click-history';
import { denseIds } from './tables';

/** Pairs per step: what is gathered for them is what takes memory, and a history has many vectors. */
const batchOf = (historyLength: number) => (historyLength > 0 ? 1024 : 16_384);

/** The part of a model that is the same for all. */
export abstract class PairScores {
  constructor(readonly device: Device) {}

  abstract readonly historyLength: number;

  abstract scorer(batch: UserBatch): UserScorer;

  /** Positives alone; a model that reads more says so. */
  histories(dataset: Dataset): UserHistories {
    return positiveHistories(dataset);
  }

  /** Logits of pairs, inside a step. Differentiable. @returns [n]. */
  logits(users: Uint32Array, items: Uint32Array, histories?: readonly Int32Array[]): Tensor {
    return this.scorer({ users, ...(histories && { histories }) }).logits(items);
  }

  /**
   * Logits of pairs of any number. Runs in batches on the device and waits for it once.
   *
   * @throws InputError for columns of unequal length, for an id out of range, and without histories where the model reads them.
   */
  async scorePairs(users: ArrayLike<number>, items: ArrayLike<number>, history?: HistoryOf): Promise<Float32Array> {
    const { length } = users;
    const { device, historyLength } = this;
    if (items.length !== length) throw new InputError(`scorePairs: ${length} users for ${items.length} items`);
    if (historyLength > 0 && !history)
      throw new InputError('scorePairs: this model reads histories, but none were given');
    if (length === 0) return new Float32Array(0);
    const { memory, recorder } = device;
    const scores = memory.persistent(4 * length, 'scores');
    try {
      for (let start = 0; start < length; start += batchOf(historyLength)) {
        const count = Math.min(batchOf(historyLength), length - start);
        const ids = (name: string, column: ArrayLike<number>) => denseIds(column, start, count, `scorePairs: ${name}`);
        const histories =
          historyLength > 0 ? Array.from({ length: count }, (_, i) => history!(start + i, historyLength)) : undefined;
        using _ = device.step();
        const { storage, offset } = scores;
        const target = { storage, offset: offset + 4 * start, size: 4 * count };
        recorder.copy(this.logits(ids('user', users), ids('item', items), histories).slice, target);
      }
      return new Float32Array(await recorder.read(scores));
    } finally {
      memory.free(scores);
    }
  }
}

/** A scorer of a model whose logits of all items are products of vectors. */
export function vectorScorer(logits: UserScorer['logits'], all: () => AllItems): UserScorer {
  return {
    logits,
    all,
    allLogits() {
      const { users, items, bias } = all();
      return linear(users, items, bias);
    },
  };
}
