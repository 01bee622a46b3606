/** What every model can answer through its scorer alone: logits of pairs, inside a step or of any number. */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import { linear } from '@crossgate/tensor';
import type { AllItems, HistoryOf, UserBatch, UserScorer } from './backend';
import { positiveHistories, type UserHistories } from './click-history';
import { denseIds } from './tables';

/** Number of pairs per step. The vectors gathered for them take the memory, and a history has many. */
const batchOf = (historyLength: number) => (historyLength > 0 ? 1024 : 16_384);

/** The part of a model that is the same for all: scores of pairs, made by its {@link scorer}. */
export abstract class PairScores {
  constructor(/** The GPU that the model lives on. */ readonly device: Device) {}

  /** Number of entries of a user's history that the model reads, the last ones; 0 when it reads none. */
  abstract readonly historyLength: number;

  /** Prepares to score items for a batch of users, inside a step. Differentiable. */
  abstract scorer(batch: UserBatch): UserScorer;

  /** The histories that the model reads: positives alone, unless a model overrides this. */
  histories(dataset: Dataset): UserHistories {
    return positiveHistories(dataset);
  }

  /**
   * Logits of pairs, inside a step. Differentiable.
   *
   * @param users [n] dense ids.
   * @param items [n] dense ids.
   * @returns [n].
   */
  logits(users: Uint32Array, items: Uint32Array, histories?: readonly Int32Array[]): Tensor {
    return this.scorer({ users, ...(histories && { histories }) }).logits(items);
  }

  /**
   * Logits of any number of pairs. Runs in batches on the device and waits for it once.
   *
   * @param users [n] dense ids.
   * @param items [n] dense ids.
   * @param history the history before a pair, by its position; needed when `historyLength` is above 0.
   * @returns [n].
   * @throws InputError for columns of unequal length, for an id out of range, and without histories where the model
   * reads them.
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
        using _ = recorder.profiler?.step('scoring');
        using __ = device.step();
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

/**
 * The scorer of a model whose logits of all items are products of vectors.
 *
 * @param logits [n] logits of one item per user.
 * @param all the matrices of the logits of all items; called only when they are asked for.
 */
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
