// Dynamic loss scaling, all of it on the device: updates with gradients that are not finite are skipped, and lower the
// scale.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { lossScaleStateSize, sumOfSquares, updateControlSize, updateLossScale } from '@crossgate/kernels';
import { type ArenaSection, allOrNothing } from '../parameters';

/** The state of a loss scaler, a part of the training state. All values are integers. */
export interface LossScalerState {
  /** Factor of the loss, a power of two from 1 to 2²⁴. */
  readonly scale: number;
  /** Steps with finite gradients since the scale last changed. */
  readonly goodSteps: number;
  /** Skipped steps in all. */
  readonly skippedSteps: number;
  /** Skipped steps since the last step with finite gradients. */
  readonly skippedInRow: number;
  /** Updates done: t in Adam's bias correction. */
  readonly updates: number;
}

/** Settings of {@link LossScaler}. */
export interface LossScalerOptions {
  /** Scale of the first step, a power of two from 1 to 2²⁴. Default 2¹⁶. */
  readonly initialScale?: number;
  /** Steps in a row with finite gradients after which the scale doubles. Default 2000. */
  readonly growthInterval?: number;
  /** Largest scale, a power of two from 1 to 2²⁴, also for that of a state; 1 keeps it at 1. Default 2²⁴. */
  readonly maxScale?: number;
}

/** Of the first step, where nothing else is asked for. */
const firstScale = 2 ** 16;

/** Below 1 nothing is gained; above 2²⁴ the gradient of a loss would hardly ever fit a half. */
const [minScale, mostScale] = [1, 2 ** 24];

/**
 * The scale of a loss whose gradients are stored in f16 (Micikevicius et al. 2018, "Mixed Precision Training"). It
 * halves after a step with a gradient that is not finite, and doubles after many steps with finite ones. The state
 * stays on the device, which also decides, so the host can record the next step without waiting.
 *
 * ```ts
 * const scaler = new LossScaler(device);
 * const tape = new Tape({ activations: 'f16', lossScale: scaler.scale });
 * …
 * optimizer.step(learningRate, scaler); // takes the scale out of the gradients, or does nothing
 * ```
 */
export class LossScaler {
  /** f32 [1]: the scale, for the option `lossScale` of a tape. */
  readonly scale: BufferSlice;
  /** f32 [5]: the whole state, for code that reads it together with other values; see {@link LossScaler.stateOf}. */
  readonly slice: BufferSlice;
  readonly #norm: BufferSlice;
  readonly #control: BufferSlice;
  readonly #growthInterval: number;
  #maxScale: number;

  /**
   * Allocates and writes the state; free it with {@link release}.
   *
   * @param state to resume from; it replaces `initialScale`.
   * @throws OutOfMemoryError with the sizes; nothing stays allocated then.
   */
  constructor(
    private readonly device: Device,
    { initialScale = firstScale, growthInterval = 2000, maxScale = mostScale }: LossScalerOptions = {},
    state?: LossScalerState,
  ) {
    [this.slice, this.#norm, this.#control] = allOrNothing(device, (allocate) => [
      allocate(4 * lossScaleStateSize, 'loss scale'),
      allocate(4, 'loss scale'),
      allocate(4 * updateControlSize, 'loss scale'),
    ]);
    this.scale = { ...this.slice, size: 4 };
    this.#growthInterval = growthInterval;
    this.#maxScale = maxScale;
    const { scale = initialScale, goodSteps = 0, skippedSteps = 0, skippedInRow = 0, updates = 0 } = state ?? {};
    const first = Math.min(scale, maxScale);
    device.recorder.write(this.slice, Float32Array.of(first, goodSteps, skippedSteps, skippedInRow, updates));
  }

  /** The state that the five values of {@link slice} stand for. */
  static stateOf([scale = 0, goodSteps = 0, skippedSteps = 0, skippedInRow = 0, updates = 0]: Float32Array) {
    return { scale, goodSteps, skippedSteps, skippedInRow, updates } satisfies LossScalerState;
  }

  /** Waits for the device and reads the state. @throws DeviceLostError when the device fails meanwhile. */
  async read(): Promise<LossScalerState> {
    return LossScaler.stateOf(new Float32Array(await this.device.recorder.read(this.slice)));
  }

  /**
   * Begins again at 2¹⁶, for a training that computes in another type from now on: what brought the scale down is gone.
   * Updates and skipped steps count on, but none is skipped in a row.
   */
  restart(): void {
    this.#setScale(firstScale);
  }

  /**
   * The same at a scale of 1, which then stays, for a training in which nothing becomes a half any more. Its tapes take no
   * `lossScale`; steps whose gradients are not finite are still skipped.
   */
  stayAtOne(): void {
    this.#maxScale = 1;
    this.#setScale(1);
  }

  #setScale(scale: number): void {
    const { storage, offset } = this.slice;
    const [goodSteps, skippedInRow] = [0, 0];
    this.device.recorder.write({ storage, offset, size: 8 }, Float32Array.of(scale, goodSteps));
    this.device.recorder.write({ storage, offset: offset + 12, size: 4 }, Float32Array.of(skippedInRow));
  }

  /**
   * Decides on the device whether to apply or to skip the update by the gradients in `sections`, and updates the state.
   *
   * @param sections gradients of all parameters that the update changes.
   * @returns the control values of the kernel `adam`, valid until the next call.
   */
  decide(
    sections: readonly ArenaSection[],
    {
      beta1,
      beta2,
      maxNorm,
    }: {
      /** Adam's β₁, in [0, 1): the bias correction of the control values is made of it. */
      readonly beta1: number;
      /** Adam's β₂, in [0, 1). */
      readonly beta2: number;
      /** The greatest norm of the unscaled gradients, over all sections together; null does not clip. */
      readonly maxNorm: number | null;
    },
  ): BufferSlice {
    sumOfGradientSquares(this.device, sections, this.#norm);
    updateLossScale(this.device, {
      ...{ sumOfSquares: this.#norm, state: this.slice, control: this.#control },
      ...{ beta1, beta2, maxNorm, minScale, maxScale: this.#maxScale, growthInterval: this.#growthInterval },
    });
    return this.#control;
  }

  /** Frees the memory; the scaler must not be used afterwards. */
  release(): void {
    for (const slice of [this.slice, this.#norm, this.#control]) this.device.memory.free(slice);
  }
}

/** Computes out[0] = Σ g² over the gradients of all sections. @param out f32 [1] on the device. */
export function sumOfGradientSquares(device: Device, sections: readonly ArenaSection[], out: BufferSlice): void {
  sections.forEach(({ gradient, count }, i) => {
    sumOfSquares(device, { x: gradient, out, count, accumulate: i > 0 });
  });
}
