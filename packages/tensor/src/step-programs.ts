// Steps that are captured once for each shape of their inputs, and replayed.
import type { Device, Program } from '@crossgate/gpu';
import { StepInputs, type Upload } from './step-inputs';

/** Shapes whose programs are kept. */
const mostShapes = 8;

interface ShapeEntry {
  readonly inputs: StepInputs;
  program: Program | null;
}

/** One training's captured steps, by the shape of their inputs: those of the last eight shapes. */
export class StepPrograms implements Disposable {
  /** In the order of their last use. */
  readonly #shapes = new Map<string, ShapeEntry>();

  constructor(private readonly device: Device) {}

  /**
   * Takes a step: replays it if a step of this shape was captured before, else records and captures it. A shape whose
   * step turned out to use the host is recorded from then on (see `Program.usesHost`).
   *
   * @param shape says all that the step's kernels depend on, but for inputs and `StepValue`s.
   * @param uploadInputs brings the inputs to the device, in the same order in each step of a shape.
   * @param record records the step on them, as `Device.capture` calls it.
   * @param replay replays a program of the step, and does whatever else `record` does on the host, as `Adam.replayStep`
   * does.
   * @returns what `record` returned when the step was captured. Tensors in it hold the results of this step until
   * anything else is recorded: read them at once.
   * @throws what the functions throw; OutOfMemoryError with the sizes.
   */
  run<Inputs, Result>(
    shape: string,
    uploadInputs: (upload: Upload) => Inputs,
    record: (inputs: Inputs) => Result,
    replay: (program: Program) => void,
  ): Result {
    const entry = this.#entryOf(shape);
    entry.inputs.next();
    const inputs = uploadInputs(entry.inputs.upload);
    if (entry.program?.isLive) {
      replay(entry.program);
      return entry.program.result as Result;
    }
    // Captured again, it would not be live either.
    if (entry.program?.usesHost) return record(inputs);
    const program = this.device.capture(() => record(inputs));
    entry.program = program;
    return program.result;
  }

  #entryOf(shape: string): ShapeEntry {
    const entry = this.#shapes.get(shape) ?? { inputs: new StepInputs(this.device), program: null };
    this.#shapes.delete(shape);
    this.#shapes.set(shape, entry);
    for (const [oldest, { inputs, program }] of this.#shapes) {
      if (this.#shapes.size <= mostShapes) break;
      this.#shapes.delete(oldest);
      program?.[Symbol.dispose]();
      inputs[Symbol.dispose]();
    }
    return entry;
  }

  /**
   * Drops all programs, so that steps are captured anew: whenever what `record` does has changed, such as the precision.
   */
  clear(): void {
    for (const { inputs, program } of this.#shapes.values()) {
      program?.[Symbol.dispose]();
      inputs[Symbol.dispose]();
    }
    this.#shapes.clear();
  }

  /** {@link clear}, for `using`. */
  [Symbol.dispose](): void {
    this.clear();
  }
}
