// ALG and GATE: CF vectors into the LLM's embedding space, and how much of them each dimension takes (CCF-LLM eq. 2, 3).

import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { ParameterSpec, RandomStream, Tensor } from '@crossgate/tensor';
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
    if (!(alignment.hiddenFactor > 0))
      throw new InputError(`alg.hiddenFactor is ${alignment.hiddenFactor}, expected a positive number`);
    const algHidden = Math.round(alignment.hiddenFactor * cfDim);
    const gateOutputs = gate.width === 'dimension' ? hiddenSize : 1;
    const specs: ParameterSpec[] = [
      ...linearSpecs('alg.hidden', cfDim, algHidden, random),
      ...linearSpecs('alg.output', algHidden, hiddenSize, random),
    ];
    for (const part of gate.width === 'one' ? [] : ['cf', 'text']) {
      if (gate.hidden !== null) specs.push(...linearSpecs(`gate.${part}.hidden`, hiddenSize, gate.hidden, random));
      const output = linearSpecs(`gate.${part}.output`, gate.hidden ?? hiddenSize, gateOutputs, random);
      if (gate.init === 'zero') for (const { values } of output) values.fill(0);
      specs.push(...output);
    }
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
