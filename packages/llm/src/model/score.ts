// Scores of many sequences in batches of bounded size, and of many candidates after one prefix, which is computed once.
import type { Device, Profiler } from '@crossgate/gpu';
import { embedding, reshape, type Tensor, withoutTape } from '@crossgate/tensor';
import { KeyValueCache } from './cache';
import { checkVocabulary } from './generate';
import type { LlamaModel } from './llama';
import { lastTokens, packSequences } from './packing';
import { rotatesByLength } from './rotation';

/** Settings of {@link computeInBatches} and {@link score}. */
export interface BatchOptions {
  /** Most tokens of one batch. Default 16,384: enough to fill a device, little beside the weights. */
  readonly batchTokens?: number;
  /** Called after each batch with the number of sequences done so far. */
  readonly onProgress?: (done: number) => void;
  /** Aborting it ends the computation between two batches and throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Computes values of sequences, one batch per step. The result of one batch is fetched while the next one runs. A
 * sequence longer than `batchTokens` is a batch by itself.
 *
 * @param sequences read one by one, when their batch is made.
 * @param lengthOf number of tokens of a sequence.
 * @param compute gives, inside a step, the same number of values for each sequence of a batch.
 * @returns the values of all sequences, in their order.
 */
export async function computeInBatches<Sequence>(
  device: Device,
  sequences: Iterable<Sequence>,
  lengthOf: (sequence: Sequence) => number,
  compute: (batch: readonly Sequence[]) => Tensor,
  { batchTokens = 16_384, onProgress, signal }: BatchOptions = {},
): Promise<Float32Array<ArrayBuffer>> {
  const results: Float32Array[] = [];
  let pending: Promise<Float32Array> | undefined;
  let done = 0;
  const { profiler } = device.recorder;
  for (const batch of batchesOf(sequences, lengthOf, batchTokens, profiler)) {
    signal?.throwIfAborted();
    using _ = profiler?.step('scoring');
    using __ = device.step();
    const recording = profiler?.span('record');
    const values = withoutTape(() => compute(batch)).read();
    recording?.[Symbol.dispose]();
    values.catch(() => {}); // Awaited one batch later; without this a failure would count as unhandled until then.
    using ___ = profiler?.span('wait');
    if (pending) results.push(await pending);
    pending = values;
    done += batch.length;
    onProgress?.(done);
  }
  {
    using _ = profiler?.span('wait');
    if (pending) results.push(await pending);
  }
  const all = new Float32Array(results.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const values of results) {
    all.set(values, start);
    start += values.length;
  }
  return all;
}

function* batchesOf<Sequence>(
  sequences: Iterable<Sequence>,
  lengthOf: (sequence: Sequence) => number,
  batchTokens: number,
  profiler: Profiler | null,
): Generator<Sequence[]> {
  let batch: Sequence[] = [];
  let tokens = 0;
  let building = profiler?.span('batch');
  for (const sequence of sequences) {
    const length = lengthOf(sequence);
    if (batch.length > 0 && tokens + length > batchTokens) {
      building?.[Symbol.dispose]();
      yield batch;
      building = profiler?.span('batch');
      [batch, tokens] = [[], 0];
    }
    batch.push(sequence);
    tokens += length;
  }
  building?.[Symbol.dispose]();
  if (batch.length > 0) yield batch;
}

/**
 * Logits of some tokens after each candidate behind the same prefix. They are those of whole sequences, but the prefix
 * is computed only once.
 *
 * @param prefix tokens that every sequence begins with.
 * @param candidates the rest of each sequence, at least one token each.
 * @param answers tokens whose logits after the last position are wanted, such as Yes and No.
 * @returns [candidates, answers].
 * @throws InputError for an empty prefix, candidate or list of answers, tokens outside the vocabulary, and sequences
 * longer than the context.
 */
export async function score(
  model: LlamaModel,
  prefix: readonly number[],
  candidates: readonly (readonly number[])[],
  answers: readonly number[],
  options: BatchOptions = {},
): Promise<Float32Array<ArrayBuffer>> {
  checkVocabulary(model, prefix);
  for (const candidate of [...candidates, answers]) checkVocabulary(model, candidate);
  const { device, config } = model;
  const { vocabSize } = config;
  // Where angles depend on the length of the whole, the prefix of one sequence is not that of another.
  const alone = candidates.some(({ length }) => rotatesByLength(config, prefix.length + length));
  using cache = new KeyValueCache(model, alone ? 1 : prefix.length);
  if (!alone) {
    using _ = device.step();
    withoutTape(() => model.extend(cache, model.embed(Uint32Array.from(prefix))));
  }
  return await computeInBatches(
    device,
    alone ? candidates.map((candidate) => [...prefix, ...candidate]) : candidates,
    ({ length }) => length,
    (batch) => {
      const lengths = batch.map(({ length }) => length);
      const packed = packSequences(device, lengths, cache.length);
      const embedded = model.embed(Uint32Array.from(batch.flat()));
      const past = alone ? undefined : { cache };
      const logits = reshape(model.logits(model.forward(embedded, packed, lastTokens(packed), undefined, past)), [
        batch.length * vocabSize,
        1,
      ]);
      return embedding(
        logits,
        Uint32Array.from(lengths.flatMap((_, row) => answers.map((token) => row * vocabSize + token))),
      );
    },
    options,
  );
}
