// Building blocks: plain objects with specs (before memory) and a forward (after).
import { linear } from './ops/linear';
import type { ParameterGroup, ParameterSpec } from './parameters';
import type { RandomStream } from './random';
import type { Tensor } from './tensor';

/** Specs of torch's nn.Linear with its default initial values: weight [outputs, inputs] and bias [outputs] in ±1/√inputs. */
export function linearSpecs(name: string, inputs: number, outputs: number, random: RandomStream): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs], values: random.kaimingUniform(outputs * inputs, inputs) },
    { name: `${name}.bias`, shape: [outputs], values: random.kaimingUniform(outputs, inputs), decay: false },
  ];
}

/** x ↦ x · weightᵀ + bias with the parameters `NAME.weight` and `NAME.bias` of a group. */
export function linearModule(group: ParameterGroup, name: string): (x: Tensor) => Tensor {
  const weight = group.get(`${name}.weight`);
  const bias = group.get(`${name}.bias`);
  return (x) => linear(x, weight, bias);
}
