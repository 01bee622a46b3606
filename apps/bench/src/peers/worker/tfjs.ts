/** TensorFlow.js on its WebGPU backend: each case out of the operations that it offers. */
import { checked, type HostValues, type Library, loaderOf, provideGpu, timeCalls, type Way } from './library';

interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array<ArrayBuffer>>;
  dispose(): void;
}

interface Variable extends Tensor {
  assign(value: Tensor): void;
}

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor | number) => Tensor;

/** What is used of @tensorflow/tfjs-core. */
interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): {
    readonly device: GPUDevice;
    readonly commandEncoder: unknown;
    endComputePassEncoder(): void;
    submitQueue(): void;
  };
  tensor(data: Float32Array | Int32Array | readonly number[], shape: readonly number[], dtype: string): Tensor;
  tidy<T>(work: () => T): T;
  keep(x: Tensor): Tensor;
  variable(x: Tensor): Variable;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  readonly softmax: Unary;
  readonly square: Unary;
  readonly rsqrt: Unary;
  readonly add: Binary;
  readonly sub: Binary;
  readonly mul: Binary;
  mean(x: Tensor, axis: number, keepDims: boolean): Tensor;
  moments(x: Tensor, axis: number, keepDims: boolean): { readonly mean: Tensor; readonly variance: Tensor };
  transpose(x: Tensor, order: readonly number[]): Tensor;
  valueAndGrads(
    work: (...inputs: Tensor[]) => Tensor,
  ): (inputs: Tensor[], gradient: Tensor) => { readonly value: Tensor; readonly grads: Tensor[] };
  readonly train: {
    adam(
      learningRate: number,
      beta1: number,
      beta2: number,
      epsilon: number,
    ): { applyGradients(gradients: { name: string; tensor: Tensor }[]): void };
  };
}

type Inputs = Readonly<Record<string, Tensor>>;
type Settings = Readonly<Record<string, number>>;
type Results = Record<string, Tensor>;

/** Results that lie as [sequences, heads, tokens, headDim], the order in which attention is computed. */
const byHead = new Set(['attention', 'attentionBackward']);

/** What is done once before the first call, and the call. */
type Op = (tf: Tfjs, inputs: Inputs, settings: Settings) => () => Results;

function attentionOf(tf: Tfjs, { query, key, value }: Inputs) {
  const swap = (x: Tensor) => tf.transpose(x, [0, 2, 1, 3]);
  const [, length, , headDim] = query!.shape as [number, number, number, number];
  const hidden = Float32Array.from({ length: length * length }, (_, i) =>
    i % length > Math.floor(i / length) ? -1e9 : 0,
  );
  const mask = tf.tensor(hidden, [1, 1, length, length], 'float32');
  const attend = (q: Tensor, k: Tensor, v: Tensor) => {
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headDim));
    return tf.matMul(tf.softmax(tf.add(scores, mask)), v);
  };
  return { attend, swap, operands: [swap(query!), swap(key!), swap(value!)] as [Tensor, Tensor, Tensor] };
}

const ops: Readonly<Record<string, Op>> = {
  matmul:
    (tf, { a, b }, { transposeB }) =>
    () => ({ out: tf.matMul(a!, b!, false, transposeB === 1) }),
  softmax:
    (tf, { x }) =>
    () => ({ out: tf.softmax(x!) }),
  layerNorm:
    (tf, { x, weight, bias }, { epsilon }) =>
    () => {
      const { mean, variance } = tf.moments(x!, -1, true);
      const normal = tf.mul(tf.sub(x!, mean), tf.rsqrt(tf.add(variance, epsilon!)));
      return { out: tf.add(tf.mul(normal, weight!), bias!) };
    },
  rmsNorm:
    (tf, { x, weight }, { epsilon }) =>
    () => {
      const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x!), -1, true), epsilon!));
      return { out: tf.mul(tf.mul(x!, scale), weight!) };
    },
  attention: (tf, inputs) => {
    const { attend, operands } = attentionOf(tf, inputs);
    return () => ({ out: attend(...operands) });
  },
  attentionBackward: (tf, inputs) => {
    const { attend, swap, operands } = attentionOf(tf, inputs);
    const gradient = swap(inputs.gradOut!);
    const both = tf.valueAndGrads((...tensors) => attend(tensors[0]!, tensors[1]!, tensors[2]!));
    return () => {
      const { value, grads } = both(operands, gradient);
      return { out: value, gradQuery: grads[0]!, gradKey: grads[1]!, gradValue: grads[2]! };
    };
  },
  adamw: (tf, { value, gradient }, { learningRate, beta1, beta2, epsilon, weightDecay }) => {
    const parameter = tf.variable(value!);
    const optimizer = tf.train.adam(learningRate!, beta1!, beta2!, epsilon!);
    const name = (parameter as unknown as { name: string }).name;
    return () => {
      parameter.assign(tf.mul(parameter, 1 - learningRate! * weightDecay!));
      optimizer.applyGradients([{ name, tensor: gradient! }]);
      return { value: tf.mul(parameter, 1) };
    };
  },
};

export async function openTfjs(folder: string, adapter: string | undefined): Promise<Library> {
  const dawn = await provideGpu(adapter);
  const { load, version } = loaderOf(folder);
  const tf = load<Tfjs>('@tensorflow/tfjs-core');
  load('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs opens no WebGPU device');
  await tf.ready();
  const { device } = tf.backend();
  const submit = () => {
    const backend = tf.backend();
    if (!backend.commandEncoder) return;
    backend.endComputePassEncoder();
    backend.submitQueue();
  };
  return {
    ...{ version: version('@tensorflow/tfjs-backend-webgpu'), device: dawn.summary.name, ops: Object.keys(ops) },
    prepare: (op, settings, inputs) => {
      const tensors = Object.fromEntries(
        Object.entries(inputs).map(([name, { shape, data }]) => [
          name,
          tf.tensor(data as Float32Array, shape, data instanceof Int32Array ? 'int32' : 'float32'),
        ]),
      );
      const call = ops[op]!(tf, tensors, settings);
      const way: Way = {
        results: () =>
          checked(device, async () => {
            const made = tf.tidy(call);
            const results: Record<string, HostValues> = {};
            for (const [name, tensor] of Object.entries(made)) {
              const out = byHead.has(op) ? tf.transpose(tensor, [0, 2, 1, 3]) : tensor;
              results[name] = { shape: out.shape, data: await dawn.wait(out.data()) };
              tensor.dispose();
            }
            return results;
          }),
        time: async (calls) => {
          const kept: Results[] = [];
          const timed = await timeCalls(dawn, device, () => kept.push(tf.tidy(call)), calls, submit);
          for (const tensor of kept.flatMap((results) => Object.values(results))) tensor.dispose();
          return timed;
        },
      };
      const release = () => {
        for (const tensor of Object.values(tensors)) tensor.dispose();
      };
      return Promise.resolve({ ways: new Map([['eager', way]]), release });
    },
  };
}
