// Dynamic loss scaling: steps whose gradients are not finite are left out, and the scale follows. All of it on the device.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { lossScaleStateSize, sumOfSquares, updateControlSize, updateLossScale } from '@crossgate/kernels';
import { type ArenaSection, allOrNothing } from '../parameters';

/** What a loss scaler knows; a part of the training state. */
export interface LossScalerState {
  /** Factor of the loss, a power of two. */
  readonly scale: number;
  /** Finite steps since the scale last changed. */
  readonly goodSteps: number;
  /** Steps that were left out, in all. */
  readonly skippedSteps: number;
  /** Those without a good one since. */
  readonly skippedInRow: number;
  /** Updates that were done: Adam's t. */
  readonly updates: number;
}

export interface LossScalerOptions {
  /** Default 2¹⁶. */
  readonly initialScale?: number;
  /** Finite steps after which the scale doubles. Default 2000. */
  readonly growthInterval?: number;
}

/** Below 1 nothing is gained; above 2²⁴ the gradient of a loss would hardly ever fit a half. */
const [minScale, maxScale] = [1, 2 ** 24];

/**
 * The scale of a loss whose gradients pass through f16 (Micikevicius et al. 2018): half as large after a step with a
 * gradient that is not finite, twice as large after many good ones. The device decides and keeps the state; the host need
 * not know when it records the next step.
 *
 * ```ts
 * const scaler = new LossScaler(device);
 * const tape = new Tape({ activations: 'f16', lossScale: scaler.scale });
 * …
 * optimizer.step(learningRate, scaler); // takes the scale out of the gradients, or does nothing
 * ```
 */
export class LossScaler {
  /** f32 [1]: the scale, as a tape takes it. */
  readonly scale: BufferSlice;
  /** f32 {@link LossScaler.stateOf}: to be read together with something else. */
  readonly slice: BufferSlice;
  readonly #norm: BufferSlice;
  readonly #control: BufferSlice;
  readonly #growthInterval: number;

  /** @param state to go on from. @throws OutOfMemoryError, with nothing left allocated. */
  constructor(
    private readonly device: Device,
    { initialScale = 2 ** 16, growthInterval = 2000 }: LossScalerOptions = {},
    state?: LossScalerState,
  ) {
    [this.slice, this.#norm, this.#control] = allOrNothing(device, (allocate) => [
      allocate(4 * lossScaleStateSize, 'loss scale'),
      allocate(4, 'loss scale'),
      allocate(4 * updateControlSize, 'loss scale'),
    ]);
    this.scale = { ...this.slice, size: 4 };
    this.#growthInterval = growthInterval;
    const { scale = initialScale, goodSteps = 0, skippedSteps = 0, skippedInRow = 0, updates = 0 } = state ?? {};
    device.recorder.write(this.slice, Float32Array.of(scale, goodSteps, skippedSteps, skippedInRow, updates));
  }

  /** The state behind the values of {@link slice}. */
  static stateOf([scale = 0, goodSteps = 0, skippedSteps = 0, skippedInRow = 0, updates = 0]: Float32Array) {
    return { scale, goodSteps, skippedSteps, skippedInRow, updates } satisfies LossScalerState;
  }

  /** Waits for the device and reads the state. */
  async read(): Promise<LossScalerState> {
    return LossScaler.stateOf(new Float32Array(await this.device.recorder.read(this.slice)));
  }

  /**
   * Decides about the step whose gradients lie in `sections`.
   *
   * @returns what the kernel `adam` takes as its control; valid until the next call.
   */
  decide(
    sections: readonly ArenaSection[],
    { beta1, beta2, maxNorm }: { readonly beta1: number; readonly beta2: number; readonly maxNorm: number | null },
  ): BufferSlice {
    sumOfGradientSquares(this.device, sections, this.#norm);
    updateLossScale(this.device, {
      ...{ sumOfSquares: this.#norm, state: this.slice, control: this.#control },
      ...{ beta1, beta2, maxNorm, minScale, maxScale, growthInterval: this.#growthInterval },
    });
    return this.#control;
  }

  /** Frees the memory. */
  release(): void {
    for (const slice of [this.slice, this.#norm, this.#control]) this.device.memory.free(slice);
  }
}

/** out[0] = Σ g² over the gradients of all sections. */
export function sumOfGradientSquares(device: Device, sections: readonly ArenaSection[], out: BufferSlice): void {
  sections.forEach(({ gradient, count }, i) => {
    sumOfSquares(device, { x: gradient, out, count, accumulate: i > 0 });
  });
}
