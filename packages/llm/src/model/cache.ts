// Keys and values of earlier tokens, so that the tokens after them need not compute them again.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { attentionCached, borrowed, releasePersistent, type Tensor } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import type { PackedBatch } from './packing';

/** The cached tokens that a forward pass continues. */
export interface Past {
  /** The earlier tokens; the batch begins at the position where they end. */
  readonly cache: KeyValueCache;
  /** Whether the batch, which must be one sequence, is added to the cache. Default false: the cache stays as it is. */
  readonly keep?: boolean;
}

/**
 * The keys and values of one sequence, in all layers: 8 · layers · keyValueHeads · headDim bytes per token. The
 * memory counts as persistent, with the purpose `cache`; give it back with {@link release} or by `using`.
 */
export class KeyValueCache implements Disposable {
  readonly #tensors: Tensor[] = [];
  readonly #config: LlamaConfig;
  readonly #device: Device;
  #length = 0;

  /**
   * @param capacity most tokens that it can hold.
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
      for (let i = 0; i < 2 * config.layers; i++) this.#tensors.push(borrowed(device, [capacity, width], 'cache'));
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Number of tokens that it holds. */
  get length(): number {
    return this.#length;
  }

  /** Forgets all tokens but the first `length`. @throws InputError when it holds fewer. */
  truncate(length: number): void {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#length)) {
      throw new InputError(`cannot cut a cache of ${this.#length} tokens to ${length}`);
    }
    this.#length = length;
  }

  /** Gives the memory back. */
  release(): void {
    for (const tensor of this.#tensors.splice(0)) releasePersistent(tensor);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /**
   * Checks that a batch continues where the cache ends.
   *
   * @throws InputError when its positions begin elsewhere, and, with `keep`, when it is several sequences or too long.
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

  /**
   * Attention of a layer to the cached tokens and to those of the batch: see `attentionCached` of `@crossgate/tensor`.
   *
   * @returns [tokens, heads · headDim].
   */
  attend(layer: number, query: Tensor, key: Tensor, value: Tensor, batch: PackedBatch): Tensor {
    const { heads, keyValueHeads, headDim, slidingWindow } = this.#config;
    const [cachedKey, cachedValue] = this.#layer(layer);
    const cache = { key: cachedKey, value: cachedValue, length: this.#length, window: slidingWindow };
    return attentionCached(query, key, value, batch, cache, { heads, keyValueHeads, headDim });
  }

  /** Writes the keys and values of a layer behind those that are there. {@link advance} makes them count. */
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

  /** Counts tokens whose keys and values every layer has stored. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  #layer(layer: number): [key: Tensor, value: Tensor] {
    const [key, value] = this.#tensors.slice(2 * layer, 2 * layer + 2);
    if (!key || !value) throw new InputError('the cache was released');
    return [key, value];
  }
}
