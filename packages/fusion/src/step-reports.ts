// What is read back of each training step, one step late: losses and the loss scale, and when they end a training.
import { empty, LossScaler, type LossScalerState, NonFiniteLossError, type Tensor } from '@crossgate/tensor';

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
  /** Mean loss of the batch, before the update. */
  readonly loss: number;
  /** Learning rate of the step. */
  readonly learningRate: number;
  /** Number of tokens of the batch, all prompts together. */
  readonly tokens: number;
  /** State of the loss scale after the step; null with activations in f32. */
  readonly lossScale: LossScalerState | null;
}

/** The error of a training that cannot continue. */
export function diverged(what: string, stage: number, step: number): NonFiniteLossError {
  return new NonFiniteLossError(
    `${what} at step ${step} of stage ${stage + 1}: lower the learning rate or set clipNorm, and start again`,
  );
}

/** Values that are read back of a step. */
export interface StepValues {
  readonly losses: Float32Array;
  readonly lossScale: LossScalerState | null;
}

/** Reads the losses, and the state of the loss scale on the same way. */
export async function readStep(losses: Tensor, scaler: LossScaler | undefined): Promise<StepValues> {
  if (!scaler) return { losses: await losses.read(), lossScale: null };
  const { device, size } = losses;
  const both = empty(device, [size + scaler.slice.size / 4]);
  const { storage } = both.slice;
  device.recorder.copy(losses.slice, { storage, offset: 0, size: 4 * size });
  device.recorder.copy(scaler.slice, { storage, offset: 4 * size, size: scaler.slice.size });
  const values = await both.read();
  return { losses: values.subarray(0, size), lossScale: LossScaler.stateOf(values.subarray(size)) };
}

type PendingReport = Omit<StepReport, 'loss' | 'lossScale'>;

/** Reports steps one late, so that the device works on a step while the loss of the one before is fetched. */
export class StepReports {
  #pending: { report: PendingReport; losses: Promise<StepValues> } | null = null;
  /** After the last step that was fetched. */
  lossScale: LossScalerState | null = null;

  constructor(private readonly onStep: ((report: StepReport) => void) | undefined) {}

  async push(report: PendingReport, losses: Promise<StepValues>): Promise<void> {
    losses.catch(() => {}); // Awaited one step later; without this a failure would count as unhandled until then.
    const previous = this.#pending;
    this.#pending = { report, losses };
    await this.#finish(previous);
  }

  async settle(): Promise<void> {
    const previous = this.#pending;
    this.#pending = null;
    await this.#finish(previous);
  }

  async #finish(entry: { report: PendingReport; losses: Promise<StepValues> } | null): Promise<void> {
    if (!entry) return;
    const { losses, lossScale } = await entry.losses;
    const { stage, step } = entry.report;
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    if (!Number.isFinite(loss)) throw diverged(`the loss is ${loss}`, stage, step);
    if (lossScale && lossScale.skippedInRow >= mostSkippedInRow && lossScale.scale <= 1) {
      throw new NonFiniteLossError(
        `${lossScale.skippedInRow} steps in a row, up to step ${step} of stage ${stage + 1}, had gradients that are not finite ` +
          `though the loss scale came down to ${lossScale.scale}: probably activations exceed 65,504, the most that f16 holds; keep them in f32`,
      );
    }
    this.lossScale = lossScale;
    this.onStep?.({ ...entry.report, loss, lossScale });
  }
}
