/** The float64 references of our tests, as a peer that is not timed: they say who is right. */
import * as references from '../../../../../packages/testing/src/index';
import type { HostValues, Library } from './library';

type Inputs = Readonly<Record<string, HostValues>>;
type Settings = Readonly<Record<string, number>>;

const wide = ({ shape, data }: HostValues) => references.reference(shape, data);

/** Attention inputs [sequences, tokens, heads, headDim], as the references take them: packed. */
function packed(inputs: Inputs): references.AttentionInputs {
  const [sequences, length, heads, headDim] = inputs.query!.shape as [number, number, number, number];
  const flat = (name: string) => references.reshape(wide(inputs[name]!), [sequences * length, heads, headDim]);
  const offsets = Array.from({ length: sequences + 1 }, (_, sequence) => sequence * length);
  return { q: flat('query'), k: flat('key'), v: flat('value'), offsets };
}

const ops: Readonly<Record<string, (inputs: Inputs, settings: Settings) => Record<string, references.Reference>>> = {
  matmul: ({ a, b }, { transposeB }) => ({
    out: references.matmul(wide(a!), wide(b!), { transposeB: transposeB === 1 }),
  }),
  softmax: ({ x }) => ({ out: references.softmax(wide(x!)) }),
  layerNorm: ({ x, weight, bias }, { epsilon }) => ({
    out: references.layerNorm(wide(x!), wide(weight!), wide(bias!), epsilon),
  }),
  rmsNorm: ({ x, weight }, { epsilon }) => ({ out: references.rmsNorm(wide(x!), wide(weight!), epsilon) }),
  attention: (inputs) => ({ out: references.attention(packed(inputs)).output }),
  attentionBackward: (inputs) => {
    const args = packed(inputs);
    const gradient = references.reshape(wide(inputs.gradOut!), args.q.shape);
    const { q, k, v } = references.attentionBackward(args, gradient);
    return { out: references.attention(args).output, gradQuery: q, gradKey: k, gradValue: v };
  },
};

export function openFloat64(): Promise<Library> {
  const library: Library = {
    ...{ version: process.version, device: 'float64', ops: Object.keys(ops) },
    prepare: (op, settings, inputs) => {
      const results = () => {
        const computed = Object.entries(ops[op]!(inputs, settings));
        return Promise.resolve(
          Object.fromEntries(
            computed.map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
          ),
        );
      };
      const time = () => Promise.reject(new Error('references are not timed'));
      return Promise.resolve({ ways: new Map([['float64', { results, time }]]), release: () => {} });
    },
  };
  return Promise.resolve(library);
}
