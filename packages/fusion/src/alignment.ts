// ALG and GATE: CF vectors into the LLM's embedding space, and how much of them each dimension takes (CCF-LLM eq. 2, 3).

import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { RandomStream, Tensor } from '@crossgate/tensor';
import { linearModule, linearSpecs, ParameterGroup, relu } from '@crossgate/tensor';

export interface AlignmentOptions {
  /** The hidden layer of ALG is this many times as wide as a CF vector. CoLLM and we: 10. */
  readonly hiddenFactor: number;
  /** `torch`: nn.Linear's defaults (paper). `matchTokenNorm`: then scaled so that outputs are as long as token embeddings. */
  readonly init: 'torch' | 'matchTokenNorm';
}

export interface GateOptions {
  /** Width of the one ReLU layer of both gate networks; null makes them single linear layers. */
  readonly hidden: number | null;
  /** Applied to α. The paper has none. */
  readonly activation: 'none' | 'sigmoid' | 'tanh';
  /** `zero`: α starts at 0, so the LLM starts undisturbed. */
  readonly init: 'default' | 'zero';
  /** `dimension`: α ∈ R^d (CCF-LLM); `token`: α ∈ R; `one`: α = 1, no gate (both §4.4). */
  readonly width: 'dimension' | 'token' | 'one';
}

export interface FusionShape {
  readonly cfDim: number;
  readonly hiddenSize: number;
}

/** The linear layers of ALG and GATE, in the order of their parameters. */
function linearLayers(
  { cfDim, hiddenSize }: FusionShape,
  { hiddenFactor }: AlignmentOptions,
  gate: GateOptions,
): { name: string; inputs: number; outputs: number }[] {
  if (!(hiddenFactor > 0)) throw new InputError(`alg.hiddenFactor is ${hiddenFactor}, expected a positive number`);
  const algHidden = Math.round(hiddenFactor * cfDim);
  const layers = [
    { name: 'alg.hidden', inputs: cfDim, outputs: algHidden },
    { name: 'alg.output', inputs: algHidden, outputs: hiddenSize },
  ];
  const outputs = gate.width === 'dimension' ? hiddenSize : 1;
  for (const part of gate.width === 'one' ? [] : ['gate.cf', 'gate.text']) {
    if (gate.hidden !== null) layers.push({ name: `${part}.hidden`, inputs: hiddenSize, outputs: gate.hidden });
    layers.push({ name: `${part}.output`, inputs: gate.hidden ?? hiddenSize, outputs });
  }
  return layers;
}

/**
 * Shapes of the parameters of ALG and GATE by name, before anything is allocated: `NAME.weight` [outputs, inputs] and
 * `NAME.bias` [outputs].
 *
 * @throws InputError for a hidden factor that is not positive.
 */
export function fusionParameterShapes(
  shape: FusionShape,
  alignment: AlignmentOptions,
  gate: GateOptions,
): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const { name, inputs, outputs } of linearLayers(shape, alignment, gate)) {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    shapes.set(`${name}.bias`, [outputs]);
  }
  return shapes;
}

/** Θ_A and Θ_G in one parameter group, and their forward passes. */
export class AlignmentAndGate {
  readonly group: ParameterGroup;
  /** CF vectors [n, cfDim] → [n, hiddenSize]. */
  readonly align: (vectors: Tensor) => Tensor;
  /** Aligned vectors [n, hiddenSize] → the gate's CF part [n, hiddenSize or 1]; null without a gate. */
  readonly gateCf: ((aligned: Tensor) => Tensor) | null;
  /** Token embeddings [n, hiddenSize] → the gate's text part; null without a gate. */
  readonly gateText: ((embeddings: Tensor) => Tensor) | null;

  constructor(
    device: Device,
    { cfDim, hiddenSize }: FusionShape,
    readonly alignment: AlignmentOptions,
    readonly gate: GateOptions,
    random: RandomStream,
  ) {
    const specs = linearLayers({ cfDim, hiddenSize }, alignment, gate).flatMap(({ name, inputs, outputs }) => {
      const layer = linearSpecs(name, inputs, outputs, random);
      if (gate.init === 'zero' && /^gate\..+\.output$/.test(name)) for (const { values } of layer) values.fill(0);
      return layer;
    });
    this.group = new ParameterGroup(device, 'fusion', specs);
    const layer = (name: string) => linearModule(this.group, name);
    const [algIn, algOut] = [layer('alg.hidden'), layer('alg.output')];
    this.align = (vectors) => algOut(relu(algIn(vectors)));
    const gatePart = (part: string): ((x: Tensor) => Tensor) | null => {
      if (gate.width === 'one') return null;
      const output = layer(`gate.${part}.output`);
      if (gate.hidden === null) return output;
      const hidden = layer(`gate.${part}.hidden`);
      return (x) => output(relu(hidden(x)));
    };
    this.gateCf = gatePart('cf');
    this.gateText = gatePart('text');
  }
}
