// ALG and GATE: CF vectors mapped into the LLM's embedding space, and how much of them each dimension takes (CCF-LLM
// eq. 2 and 3).

import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { RandomStream, Tensor } from '@crossgate/tensor';
import { linearModule, linearSpecs, ParameterGroup, relu } from '@crossgate/tensor';

/** Settings of ALG, the alignment network (CCF-LLM eq. 2): Linear – ReLU – Linear. Its widths are not in the paper. */
export interface AlignmentOptions {
  /** The hidden layer is this many times as wide as a CF vector, rounded; above 0. CoLLM has 10. */
  readonly hiddenFactor: number;
  /**
   * Initial values. `torch`: the defaults of nn.Linear. `matchTokenNorm`: the same, then the output layer is scaled so
   * that aligned item vectors are as long on average as token embeddings (see `buildHybridModel`).
   */
  readonly init: 'torch' | 'matchTokenNorm';
}

/** Settings of GATE, the networks that give α (CCF-LLM eq. 3). Their widths are not in the paper. */
export interface GateOptions {
  /** Width of the one ReLU layer of both networks; null makes each a single linear layer. */
  readonly hidden: number | null;
  /** Applied to α, the sum of both networks. The paper has `none`. */
  readonly activation: 'none' | 'sigmoid' | 'tanh';
  /**
   * Initial values. `default`: those of nn.Linear. `zero`: the output layers start at zero and hence α too, so that
   * fused titles start as plain text.
   */
  readonly init: 'default' | 'zero';
  /**
   * Width of α. `dimension`: α ∈ R^d, a vector per token (eq. 3). `token`: α ∈ R, a number per token. `one`: α = 1, no
   * gate. The last two are the variants of §4.4.
   */
  readonly width: 'dimension' | 'token' | 'one';
}

/** Widths of the two spaces that ALG connects. */
export interface FusionShape {
  /** Width of CF vectors (l in §3 of the paper). */
  readonly cfDim: number;
  /** Width of the LLM's token embeddings (d in §3 of the paper). */
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

/** ALG and GATE: their parameters (Θ_A and Θ_G) in one group, and their forward passes. */
export class AlignmentAndGate {
  /** All parameters, under the name `fusion`. Freeing it frees all that this object holds. */
  readonly group: ParameterGroup;
  /** ALG: CF vectors [n, cfDim] → [n, hiddenSize]. */
  readonly align: (vectors: Tensor) => Tensor;
  /** The gate's CF part: aligned vectors [n, hiddenSize] → [n, hiddenSize or 1]; null without a gate. */
  readonly gateCf: ((aligned: Tensor) => Tensor) | null;
  /** The gate's text part: token embeddings [n, hiddenSize] → [n, hiddenSize or 1]; null without a gate. */
  readonly gateText: ((embeddings: Tensor) => Tensor) | null;

  /**
   * @param random stream that the initial values are drawn from.
   * @throws InputError for a hidden factor that is not positive; OutOfMemoryError.
   */
  constructor(
    device: Device,
    { cfDim, hiddenSize }: FusionShape,
    /** Settings of ALG. */
    readonly alignment: AlignmentOptions,
    /** Settings of GATE. */
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
