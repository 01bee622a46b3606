/** Scores any number of pairs in batches, for every model. */
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { linear } from '@crossgate/tensor';
import type { AllItems, CfModel, HistoryOf, UserScorer } from './backend';

/** Pairs per step: what is gathered for them is what takes memory, and a history has many vectors. */
const batchOf = (historyLength: number) => (historyLength > 0 ? 1024 : 16_384);

/**
 * Logits of pairs of any number. Runs in batches on the device and waits for it once.
 *
 * @throws InputError for columns of unequal length, for an id out of range, and without histories where the model reads them.
 */
export async function scorePairs(
  device: Device,
  model: Pick<CfModel, 'logits' | 'historyLength'>,
  users: ArrayLike<number>,
  items: ArrayLike<number>,
  history?: HistoryOf,
): Promise<Float32Array> {
  const { length } = users;
  const { historyLength } = model;
  if (items.length !== length) throw new InputError(`scorePairs: ${length} users for ${items.length} items`);
  if (historyLength > 0 && !history)
    throw new InputError('scorePairs: this model reads histories, but none were given');
  if (length === 0) return new Float32Array(0);
  const { memory, recorder } = device;
  const scores = memory.persistent(4 * length, 'scores');
  try {
    for (let start = 0; start < length; start += batchOf(historyLength)) {
      const count = Math.min(batchOf(historyLength), length - start);
      const ids = (column: ArrayLike<number>) => Uint32Array.from({ length: count }, (_, i) => column[start + i]!);
      const histories =
        historyLength > 0 ? Array.from({ length: count }, (_, i) => history!(start + i, historyLength)) : undefined;
      using _ = device.step();
      const { storage, offset } = scores;
      const target = { storage, offset: offset + 4 * start, size: 4 * count };
      recorder.copy(model.logits(ids(users), ids(items), histories).slice, target);
    }
    return new Float32Array(await recorder.read(scores));
  } finally {
    memory.free(scores);
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
