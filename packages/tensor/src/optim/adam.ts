// Adam with coupled L2 decay and AdamW, one dispatch per arena section.
import type { BufferSlice, Device, Program } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { clipFactor, adam as launchAdam } from '@crossgate/kernels';
import { allOrNothing, type ParameterGroup } from '../parameters';
import { type LossScaler, sumOfGradientSquares } from './loss-scaler';

/** Settings of {@link Adam}. */
export interface AdamOptions {
  /**
   * How weight decay is applied. `adam` adds weightDecay · value to the gradient, as torch.optim.Adam does; `adamw`
   * shrinks the value itself by the factor 1 − learningRate · weightDecay (Loshchilov & Hutter 2019).
   */
  readonly kind: 'adam' | 'adamw';
  /** Step size, at least 0. {@link Adam.step} may override it. */
  readonly learningRate: number;
  /** Decay of the first moment, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay of the second moment, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the second moment. Default 1e-8. */
  readonly epsilon?: number;
  /** Weight decay of all parameters but those declared with `decay: false`. Default 0. */
  readonly weightDecay?: number;
  /**
   * Gradients are scaled down so that the Euclidean norm of all together is at most this, above 0. An update whose norm is
   * not finite changes nothing; see {@link Adam.clipFactor}. Null (default): never.
   */
  readonly clipNorm?: number | null;
}

interface Moments {
  readonly first: BufferSlice;
  readonly second: BufferSlice;
}

/**
 * The optimizer Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019). It updates groups of parameters in place,
 * one dispatch per arena section. It does not change gradients: zero them before the next accumulation.
 */
export class Adam {
  /**
   * Updates so far, except those with a loss scaler, which counts its own. Part of the state: restore it when resuming.
   */
  steps = 0;
  /** Number and learning rate of the update that is recorded or replayed. */
  readonly #update = { step: { value: 0 }, learningRate: { value: 0 } };
  readonly #device: Device;
  readonly #moments: ReadonlyMap<ParameterGroup, readonly Moments[]>;
  readonly #norm: BufferSlice | null;
  readonly #clip: BufferSlice | null;

  /**
   * Allocates the moments, which start at zero; free them with {@link release}.
   *
   * @throws InputError for no groups, a negative learning rate or a `clipNorm` that is not above 0; OutOfMemoryError
   * with the sizes. Nothing stays allocated then.
   */
  constructor(
    /** The groups it updates, all on one device; at least one. */
    readonly groups: readonly ParameterGroup[],
    /** Its settings. */
    readonly options: AdamOptions,
  ) {
    const device = groups[0]?.device;
    if (device === undefined) throw new InputError('an optimizer needs at least one parameter group');
    if (!(options.learningRate >= 0)) throw new InputError(`learningRate ${options.learningRate} is not at least 0`);
    const { clipNorm } = options;
    if (clipNorm !== undefined && clipNorm !== null && !(clipNorm > 0)) {
      throw new InputError(`clipNorm ${clipNorm} is not above 0; null clips nothing`);
    }
    this.#device = device;
    const clips = clipNorm !== undefined && clipNorm !== null;
    [this.#moments, this.#norm, this.#clip] = allOrNothing(device, (persistent) => {
      const allocate = (bytes: number) => persistent(bytes, 'optimizer');
      const moments = groups.map((group): [ParameterGroup, Moments[]] => [
        group,
        group.sections.map(({ count }) => ({ first: allocate(4 * count), second: allocate(4 * count) })),
      ]);
      return [new Map(moments), clips ? allocate(4) : null, clips ? allocate(4) : null] as const;
    });
  }

  /**
   * f32 [1] on the device: what the gradients of the last update without a loss scaler were multiplied by. 0 where their
   * norm was not finite: the update then changed nothing. Null without `clipNorm`.
   */
  get clipFactor(): BufferSlice | null {
    return this.#clip;
  }

  /**
   * Updates all groups once by their gradients.
   *
   * @param learningRate replaces the option for this update, e.g. by `learningRateAt`.
   * @param scaler the loss scaler whose scale the gradients contain; the update then changes nothing where a gradient
   * is not finite. Pass the same one to all updates, or none.
   * @throws InputError for a β outside [0, 1).
   */
  step(learningRate: number = this.options.learningRate, scaler?: LossScaler): void {
    const { kind, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipNorm } = this.options;
    const device = this.#device;
    const { step, learningRate: rate } = this.#update;
    step.value = this.steps + 1;
    rate.value = learningRate;
    const sections = this.groups.flatMap((group) => group.sections);
    const control = scaler?.decide(sections, { beta1, beta2, maxNorm: clipNorm ?? null });
    if (!control && this.#norm && this.#clip && clipNorm) {
      sumOfGradientSquares(device, sections, this.#norm);
      clipFactor(device, { sumOfSquares: this.#norm, out: this.#clip, maxNorm: clipNorm });
    }
    for (const [group, moments] of this.#moments) {
      group.changed();
      group.sections.forEach(({ value, gradient, count, decay }, i) => {
        launchAdam(device, {
          value,
          gradient,
          firstMoment: moments[i]!.first,
          secondMoment: moments[i]!.second,
          count,
          step,
          learningRate: rate,
          beta1,
          beta2,
          epsilon,
          weightDecay: decay ? weightDecay : 0,
          decoupled: kind === 'adamw',
          ...(control ? { control } : this.#clip && { gradientScale: this.#clip }),
        });
      });
    }
    // Counted when it is done: a step that throws before its first launch has changed nothing.
    if (!scaler) this.steps = step.value;
  }

  /**
   * Replays a program in which {@link step} was captured: the update has its own number and learning rate. A replay that
   * throws has changed nothing.
   *
   * @param scaler the one that was given when it was captured.
   * @param submit as of `Program.replay`.
   * @throws what `Program.replay` throws.
   */
  replayStep(
    program: Program,
    learningRate: number = this.options.learningRate,
    scaler?: LossScaler,
    submit?: boolean,
  ): void {
    const { step, learningRate: rate } = this.#update;
    step.value = this.steps + 1;
    rate.value = learningRate;
    program.replay(submit);
    for (const group of this.groups) group.changed();
    if (!scaler) this.steps = step.value;
  }

  /**
   * The moments of every parameter on the device, f32 of its shape: `NAME.first` and `NAME.second`, for checkpoints.
   */
  state(): { name: string; slice: BufferSlice; shape: readonly number[] }[] {
    const entries: { name: string; slice: BufferSlice; shape: readonly number[] }[] = [];
    for (const [group, moments] of this.#moments) {
      for (const { name: own, shape, slice } of group.parameters) {
        const name = `${group.statePrefix}${own}`;
        const section = group.sections.findIndex(({ value }) => value.storage === slice.storage);
        const { first, second } = moments[section]!;
        const range = (moment: BufferSlice): BufferSlice => ({
          storage: moment.storage,
          offset: slice.offset,
          size: slice.size,
        });
        entries.push({ name: `${name}.first`, slice: range(first), shape });
        entries.push({ name: `${name}.second`, slice: range(second), shape });
      }
    }
    return entries;
  }

  /** Frees the moments; the optimizer must not be used afterwards. */
  release(): void {
    const slices = [...[...this.#moments.values()].flat().flatMap(({ first, second }) => [first, second])];
    for (const slice of [...slices, this.#norm, this.#clip]) if (slice) this.#device.memory.free(slice);
  }
}
