// Building blocks: plain objects with specs (before memory) and a forward (after).
import { linear } from './ops/linear';
import type { ParameterGroup, ParameterSpec } from './parameters';
import type { RandomStream } from './random';
import type { Tensor } from './tensor';

/**
 * Parameters of a linear layer: `NAME.weight` [outputs, inputs] and `NAME.bias` [outputs]. Their initial values are
 * uniform in ±1/√inputs, as those of PyTorch's nn.Linear; the bias does not decay.
 *
 * @param random the stream that initial values are drawn from: first the weight's, then the bias's.
 */
export function linearSpecs(
  name: string,
  inputs: number,
  outputs: number,
  random: RandomStream,
): (ParameterSpec & { readonly values: Float32Array })[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs], values: random.kaimingUniform(outputs * inputs, inputs) },
    { name: `${name}.bias`, shape: [outputs], values: random.kaimingUniform(outputs, inputs), decay: false },
  ];
}

/**
 * The forward function x ↦ x · weightᵀ + bias with the parameters `NAME.weight` and `NAME.bias` of a group; see
 * `linear`.
 *
 * @throws InputError when the group has no such parameters; the function throws for an x that does not fit.
 */
export function linearModule(group: ParameterGroup, name: string): (x: Tensor) => Tensor {
  const weight = group.get(`${name}.weight`);
  const bias = group.get(`${name}.bias`);
  return (x) => linear(x, weight, bias);
}
