// Keys and values of tokens that were seen before, so that what follows them need not compute them again.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { attentionCached, persistent, releasePersistent, type Tensor } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import type { PackedBatch } from './packing';

/** A forward pass that goes on from cached tokens. */
export interface Past {
  readonly cache: KeyValueCache;
  /** Adds the batch, which must be one sequence, to the cache; without it the cache stays as it is. */
  readonly keep?: boolean;
}

/**
 * The keys and values of one sequence, of all layers: 8 · layers · keyValueHeads · headDim bytes per token. Persistent
 * memory of the purpose `cache`; release it with {@link release} or by `using`.
 */
export class KeyValueCache implements Disposable {
  readonly #tensors: Tensor[] = [];
  readonly #config: LlamaConfig;
  readonly #device: Device;
  #length = 0;

  /**
   * @param capacity most tokens it can hold.
   * @throws OutOfMemoryError with the sizes.
   */
  constructor(
    { device, config }: { readonly device: Device; readonly config: LlamaConfig },
    readonly capacity: number,
  ) {
    this.#device = device;
    this.#config = config;
    const width = config.keyValueHeads * config.headDim;
    try {
      for (let i = 0; i < 2 * config.layers; i++) this.#tensors.push(persistent(device, [capacity, width], 'cache'));
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Tokens it holds. */
  get length(): number {
    return this.#length;
  }

  /** Forgets all tokens but the first `length`. @throws InputError when there are not as many. */
  truncate(length: number): void {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#length)) {
      throw new InputError(`cannot cut a cache of ${this.#length} tokens to ${length}`);
    }
    this.#length = length;
  }

  /** Frees the memory. */
  release(): void {
    for (const tensor of this.#tensors.splice(0)) releasePersistent(tensor);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /**
   * Checks that a batch goes on where the cache ends.
   *
   * @throws InputError when its positions begin elsewhere, and when it is to be kept but is several sequences or too long.
   */
  check(batch: PackedBatch, keep: boolean): void {
    if (batch.firstPosition !== this.#length) {
      throw new InputError(`the batch begins at position ${batch.firstPosition}, the cache ends at ${this.#length}`);
    }
    if (!keep) return;
    const sequences = batch.hostOffsets.length - 1;
    if (sequences !== 1) throw new InputError(`a cache holds one sequence; ${sequences} cannot be kept`);
    if (this.#length + batch.tokens > this.capacity) {
      throw new InputError(`${this.#length + batch.tokens} tokens do not fit a cache of ${this.capacity}`);
    }
  }

  /** Attention of a layer to the cached tokens and the batch's own. @param query, key, value see `attentionCached`. */
  attend(layer: number, query: Tensor, key: Tensor, value: Tensor, batch: PackedBatch): Tensor {
    const { heads, keyValueHeads, headDim, slidingWindow } = this.#config;
    const [cachedKey, cachedValue] = this.#layer(layer);
    const cache = { key: cachedKey, value: cachedValue, length: this.#length, window: slidingWindow };
    return attentionCached(query, key, value, batch, cache, { heads, keyValueHeads, headDim });
  }

  /** Keeps the keys and values of a layer behind those that are there; {@link advance} makes them count. */
  store(layer: number, key: Tensor, value: Tensor): void {
    for (const [i, tensor] of this.#layer(layer).entries()) {
      const source = (i === 0 ? key : value).slice;
      const size = 4 * key.size;
      const target: BufferSlice = {
        storage: tensor.slice.storage,
        offset: tensor.slice.offset + 4 * this.#length * tensor.columns,
        size,
      };
      this.#device.recorder.copy({ ...source, size }, target);
    }
  }

  /** Counts the tokens that every layer has stored. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  #layer(layer: number): [key: Tensor, value: Tensor] {
    const [key, value] = this.#tensors.slice(2 * layer, 2 * layer + 2);
    if (!key || !value) throw new InputError('the cache was released');
    return [key, value];
  }
}
