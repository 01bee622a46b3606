// Shared by this package's tests: tensors from references, and gradients of a weighted sum of outputs.
import type { Device } from '@crossgate/gpu';
import type { Reference } from '@crossgate/testing';
import { randomNormal, toFloat32 } from '@crossgate/testing';
import type { SavedOptions, Tensor } from '../src';
import { fromHost, ParameterGroup, Tape, tidy } from '../src';

/** A step tensor with a reference's values. */
export function tensorOf(device: Device, reference: Reference): Tensor {
  return fromHost(device, reference.shape, toFloat32(reference));
}

export interface GradientRun {
  readonly output: Float32Array;
  /** Gradients of Σ weight ⊙ output with respect to every input. */
  readonly gradients: Float32Array[];
  readonly weight: Reference;
}

/**
 * Runs `body` on trainable inputs, and backwards from Σ weight ⊙ output with random weights. With `asParameters` the
 * inputs are parameters (gradients in an arena), else intermediate tensors (gradients in step memory).
 */
export async function runGradients(
  device: Device,
  inputs: readonly Reference[],
  body: (...inputs: Tensor[]) => Tensor,
  asParameters: boolean,
  saved: SavedOptions = {},
): Promise<GradientRun> {
  const specs = inputs.map((input, i) => ({ name: `input${i}`, shape: input.shape, values: toFloat32(input) }));
  const group = new ParameterGroup(device, 'test', specs);
  group.trainable = true;
  using _ = device.step();
  group.zeroGradients();
  const tape = new Tape(saved);
  const copies = inputs.map((input) => tensorOf(device, input));
  for (const copy of copies) copy.requiresGrad = true;
  const output = tape.record(() => tidy(device, () => body(...(asParameters ? group.parameters : copies))));
  const weight = randomNormal([...output.shape], 77);
  const seed = tensorOf(device, weight);
  const watched = tape.backward([[output, seed]], asParameters ? [] : copies);
  const gradients = asParameters
    ? await Promise.all(
        group.parameters.map(async ({ gradient }) => new Float32Array(await device.recorder.read(gradient))),
      )
    : await Promise.all(watched.map((gradient) => gradient!.read()));
  const values = await output.read();
  group.release();
  return { output: values, gradients, weight };
}
