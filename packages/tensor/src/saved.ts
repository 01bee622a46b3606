// What operations save for their backward pass, and in how many bits a tape keeps it.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { dequantize, narrow } from '@crossgate/kernels';
import { Tensor } from './tensor';

/** How a tape stores the tensors that operations save: unchanged, or with f32 step tensors rounded to IEEE halves. */
export type ActivationStorage = 'f32' | 'f16';

/** How a tape stores the tensors that operations save for their backward pass. */
export interface SavedOptions {
  /**
   * With `f16`, saved step tensors of f32 are rounded to halves and widened again when their backward runs. The forward
   * pass and all sums stay f32. Values beyond 65,504 become infinite, and so do gradients computed from them.
   * Default `f32`.
   */
  readonly activations?: ActivationStorage;
  /**
   * f32 [1] on the device: a factor that multiplies the gradients which losses save, so that small ones are not rounded
   * to zero where they, or what is computed from them, become halves. They are kept as halves, whatever `activations`
   * says. All gradients of the backward pass contain the factor. See `LossScaler`.
   */
  readonly lossScale?: BufferSlice | undefined;
}

interface Halves {
  readonly slice: BufferSlice;
  holders: number;
}

/** The bytes of values kept as halves: whole vectors of four. */
const bytesOfHalves = (count: number) => 8 * Math.ceil(count / 4);

/** Holds tensors from their forward to their backward operation. */
export class SavedTensors {
  /** Tensors kept as halves, by id: several operations may save the same one. */
  readonly #halves = new Map<number, Halves>();
  readonly #narrows: boolean;
  readonly #lossScale: BufferSlice | undefined;

  constructor({ activations = 'f32', lossScale }: SavedOptions) {
    this.#narrows = activations === 'f16';
    this.#lossScale = lossScale;
  }

  /** Takes a hold. @param gradient whether it is the gradient of a loss, to be multiplied by the loss scale. */
  keep(tensor: Tensor, gradient: boolean): void {
    const { device, slice, size: count } = tensor;
    if (!this.#narrowed(tensor, gradient)) {
      device.memory.retain(slice.storage);
      return;
    }
    const known = this.#halves.get(tensor.id);
    if (known) {
      known.holders++;
      return;
    }
    const half = device.memory.allocate(bytesOfHalves(count));
    narrow(device, { x: slice, out: half, count, scale: gradient ? this.#lossScale : undefined });
    // Held by the tape alone, whatever scope is open.
    device.memory.retain(half.storage);
    device.memory.releaseEarly(half);
    this.#halves.set(tensor.id, { slice: half, holders: 1 });
  }

  /** The tensor as it was, or its halves widened in memory of the innermost scope. */
  restore(tensor: Tensor): Tensor {
    const half = this.#halves.get(tensor.id);
    if (!half) return tensor;
    const { device, size, shape } = tensor;
    const count = 4 * Math.ceil(size / 4);
    const { storage, offset } = device.memory.allocate(4 * count);
    dequantize(device, { type: 'F16', blocks: half.slice, out: { storage, offset, size: 4 * count }, count });
    return new Tensor(device, { storage, offset, size: 4 * size }, shape);
  }

  /** Gives a hold back. */
  release(tensor: Tensor): void {
    const { memory }: Device = tensor.device;
    const half = this.#halves.get(tensor.id);
    if (!half) memory.release(tensor.slice.storage);
    else if (--half.holders === 0) {
      this.#halves.delete(tensor.id);
      memory.release(half.slice.storage);
    }
  }

  #narrowed({ dtype, size, slice }: Tensor, gradient: boolean): boolean {
    const narrows = this.#narrows || (gradient && this.#lossScale !== undefined);
    return narrows && dtype === 'f32' && size > 0 && slice.storage.purpose === 'step';
  }
}
