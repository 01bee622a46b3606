// Inputs of steps that are captured and replayed: tensors that keep their memory and get new values for every step.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { dtypeOf, type HostValues } from './dtype';
import { fromHost, persistent, releasePersistent, type Shape, type Tensor } from './tensor';

/** Brings values to the device as a tensor: for one step, or as {@link StepInputs} for many of one shape. */
export type Upload = (shape: Shape, values: HostValues) => Tensor;

/** Uploads for one step: `fromHost` on a device. */
export function uploadTo(device: Device): Upload {
  return (shape, values) => fromHost(device, shape, values);
}

/**
 * What steps of one shape read from the host. The n-th upload of each batch goes into the tensor of the n-th of the first
 * batch, so a step that was captured with these tensors reads the batch that was uploaded last.
 *
 * ```ts
 * const inputs = new StepInputs(device);
 * const ids = inputs.upload([tokens], firstIds);
 * const program = device.capture(() => step(ids));
 * inputs.next();
 * inputs.upload([tokens], nextIds);
 * program.replay();
 * ```
 */
export class StepInputs implements Disposable {
  readonly #tensors: Tensor[] = [];
  #count = 0;

  constructor(private readonly device: Device) {}

  /** Begins another batch: the next upload is its first. */
  next(): void {
    this.#count = 0;
  }

  /**
   * Writes the next values of the batch, outside a captured step. Bound, so that it can be given as an {@link Upload}.
   *
   * @returns the same tensor in every batch.
   * @throws InputError when their number does not fit the shape, and for another shape or dtype than in the first batch;
   * OutOfMemoryError in the first.
   */
  readonly upload: Upload = (shape, values) => {
    const known = this.#tensors[this.#count];
    const dtype = dtypeOf('StepInputs', values);
    if (known && (known.dtype !== dtype || known.shape.join() !== shape.join() || known.size !== values.length)) {
      const is = `${values.length} values of ${dtype} for [${shape.join(', ')}]`;
      throw new InputError(
        `StepInputs: upload ${this.#count} is ${is}, but was ${known.dtype} [${known.shape.join(', ')}]: ` +
          'take other StepInputs, and another captured step, for another shape',
      );
    }
    if (known) this.device.recorder.write(known.slice, values);
    const tensor = known ?? persistent(this.device, shape, 'inputs', values);
    this.#tensors[this.#count++] = tensor;
    return tensor;
  };

  /** Frees the memory, and so ends the programs that read it. */
  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.splice(0)) releasePersistent(tensor);
    this.#count = 0;
  }
}
