// Adam with coupled L2 decay and AdamW, one dispatch per arena section.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { clipFactor, adam as launchAdam } from '@crossgate/kernels';
import { allOrNothing, type ParameterGroup } from '../parameters';
import { type LossScaler, sumOfGradientSquares } from './loss-scaler';

export interface AdamOptions {
  /** `adam` adds weightDecay · value to the gradient (torch.optim.Adam); `adamw` decays the value (Loshchilov & Hutter). */
  readonly kind: 'adam' | 'adamw';
  readonly learningRate: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0. Parameters declared with `decay: false` take none. */
  readonly weightDecay?: number;
  /** Greatest Euclidean norm of all gradients together; null (default) does not clip. */
  readonly clipNorm?: number | null;
}

interface Moments {
  readonly first: BufferSlice;
  readonly second: BufferSlice;
}

/** Updates groups in place. Gradients are left as they are: zero them before the next accumulation. */
export class Adam {
  /** Updates done so far without a loss scaler, which counts its own; part of the state. */
  steps = 0;
  readonly #device: Device;
  readonly #moments: ReadonlyMap<ParameterGroup, readonly Moments[]>;
  readonly #norm: BufferSlice | null;
  readonly #clip: BufferSlice | null;

  /** @throws InputError for no groups or options out of range; OutOfMemoryError, with nothing left allocated. */
  constructor(
    readonly groups: readonly ParameterGroup[],
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
   * One update.
   *
   * @param learningRate overrides the option, as a schedule asks.
   * @param scaler whose scale the gradients carry: the step changes nothing where one of them is not finite. The same in all
   * steps, or none.
   */
  step(learningRate: number = this.options.learningRate, scaler?: LossScaler): void {
    const { kind, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipNorm } = this.options;
    const device = this.#device;
    const step = this.steps + 1;
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
          learningRate,
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
    if (!scaler) this.steps = step;
  }

  /** Moment slices of every parameter: `NAME.first` and `NAME.second`, for checkpoints. */
  state(): { name: string; slice: BufferSlice; shape: readonly number[] }[] {
    const entries: { name: string; slice: BufferSlice; shape: readonly number[] }[] = [];
    for (const [group, moments] of this.#moments) {
      for (const { name, shape, slice } of group.parameters) {
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

  /** Frees the moments. */
  release(): void {
    const slices = [...[...this.#moments.values()].flat().flatMap(({ first, second }) => [first, second])];
    for (const slice of [...slices, this.#norm, this.#clip]) if (slice) this.#device.memory.free(slice);
  }
}
