// What is read back of each training step, one step late: losses and the loss scale, and when they end a training.
import {
  type ActivationStorage,
  type Adam,
  empty,
  LossScaler,
  type LossScalerState,
  NonFiniteLossError,
  type Precision,
  type Tensor,
} from '@crossgate/tensor';

/**
 * Number of consecutive steps without finite gradients that ends a training, once the loss scale cannot fall further.
 */
const mostSkippedInRow = 20;

/** Numbers of one training step. */
export interface StepReport {
  /** Number of the stage, from 0. */
  readonly stage: number;
  /** Number of steps done in the stage, this one included. */
  readonly step: number;
  /** Number of steps of the stage if it is not ended early. */
  readonly totalSteps: number;
  /** Mean loss of the batch, before the update; null where it was not finite in f16, so that the step was skipped. */
  readonly loss: number | null;
  /** Learning rate of the step. */
  readonly learningRate: number;
  /** Number of tokens of the batch, all prompts together. */
  readonly tokens: number;
  /** State of the loss scale after the step; null where there is none. */
  readonly lossScale: LossScalerState | null;
}

/** The error of a training that cannot continue. */
export function diverged(
  what: string,
  stage: number,
  step: number,
  remedy = 'lower the learning rate or set clipNorm',
): NonFiniteLossError {
  return new NonFiniteLossError(`${what} at step ${step} of stage ${stage + 1}: ${remedy}, and start again`);
}

/** Values that are read back of a step. */
export interface StepValues {
  readonly losses: Float32Array;
  readonly lossScale: LossScalerState | null;
  /** See {@link Adam.clipFactor}; null with a loss scale too. */
  readonly clipFactor: number | null;
}

/**
 * Puts together what is read back of a step: the losses and, so that they come the same way, the state of the loss scale
 * or the factor that clips the gradients. In the step, behind the update.
 */
export function gatherStep(
  losses: Tensor,
  scaler: LossScaler | undefined,
  { clipFactor }: Pick<Adam, 'clipFactor'>,
): Tensor {
  const other = scaler?.slice ?? clipFactor;
  if (!other) return losses;
  const { device, size } = losses;
  const all = empty(device, [size + other.size / 4]);
  const { storage } = all.slice;
  device.recorder.copy(losses.slice, { storage, offset: 0, size: 4 * size });
  device.recorder.copy(other, { storage, offset: 4 * size, size: other.size });
  return all;
}

/** Reads what {@link gatherStep} put together of a step of `count` prompts. */
export async function readStep(gathered: Tensor, count: number, hasScaler: boolean): Promise<StepValues> {
  const values = await gathered.read();
  const rest = values.subarray(count);
  return {
    losses: values.subarray(0, count),
    lossScale: hasScaler ? LossScaler.stateOf(rest) : null,
    clipFactor: hasScaler ? null : (rest[0] ?? null),
  };
}

/** A step whose values are on their way. */
interface PendingStep {
  readonly report: Omit<StepReport, 'loss' | 'lossScale'>;
  readonly losses: Promise<StepValues>;
  /** What the step was to multiply in. */
  readonly precision: Precision;
  /** What it stored for its backward pass. */
  readonly activations: ActivationStorage;
}

/** Reports steps one late, so that the device works on a step while the loss of the one before is fetched. */
export class StepReports {
  #pending: PendingStep | null = null;

  /** @param fallBack called, with the reason, where the values of a step that multiplied in f16 do not fit f16. */
  constructor(
    private readonly onStep: ((report: StepReport) => void) | undefined,
    private readonly fallBack: (reason: string) => void,
  ) {}

  async push(step: PendingStep): Promise<void> {
    step.losses.catch(() => {}); // Awaited one step later; without this a failure would count as unhandled until then.
    const previous = this.#pending;
    this.#pending = step;
    await this.#finish(previous);
  }

  async settle(): Promise<void> {
    const previous = this.#pending;
    this.#pending = null;
    await this.#finish(previous);
  }

  async #finish(pending: PendingStep | null): Promise<void> {
    if (!pending) return;
    const { losses, lossScale, clipFactor } = await pending.losses;
    const { stage, step } = pending.report;
    const { precision, activations } = pending;
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    const skipped = lossScale?.skippedInRow ?? 0;
    const stuck = lossScale && skipped >= mostSkippedInRow && lossScale.scale <= 1;
    if (!Number.isFinite(loss)) {
      // A step that was skipped has changed nothing.
      if (precision !== 'f16' || skipped === 0) throw diverged(`the loss is ${loss}`, stage, step);
      this.fallBack(`the loss is ${loss} at step ${step} of stage ${stage + 1}`);
      this.onStep?.({ ...pending.report, loss: null, lossScale });
      return;
    }
    if (clipFactor === 0) throw diverged('a gradient is not finite', stage, step, 'lower the learning rate');
    if (stuck) {
      const steps = `${skipped} steps in a row, up to step ${step} of stage ${stage + 1}, had gradients that are not finite`;
      if (precision === 'f16') this.fallBack(steps);
      else if (activations === 'f16') {
        throw new NonFiniteLossError(
          `${steps} though the loss scale came down to ${lossScale.scale}: probably activations exceed 65,504, ` +
            'the most that f16 holds; keep them in f32',
        );
      } else throw new NonFiniteLossError(`${steps} in f32: lower the learning rate, and start again`);
    }
    this.onStep?.({ ...pending.report, loss, lossScale });
  }
}
