/** jax-js on WebGPU: each case as its users would write it, one operation after the other, and compiled as a whole. */
import { checked, type HostValues, type Library, loaderOf, provideGpu, timeCalls, type Way } from './library';

/** An array. An operation takes over what it gets; `ref` keeps it for another one. */
export interface JaxArray {
  readonly shape: readonly number[];
  readonly ref: JaxArray;
  data(): Promise<Float32Array<ArrayBuffer>>;
  dispose(): void;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  div(other: JaxArray | number): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  transpose(order?: readonly number[]): JaxArray;
}

/** What is used of @jax-js/jax. */
export interface Jax {
  init(device: string): Promise<readonly string[]>;
  defaultDevice(device: string): string;
  getWebGPUDevice(): GPUDevice | null;
  blockUntilReady(arrays: readonly JaxArray[]): Promise<unknown>;
  jit<F>(work: F): F & { dispose(): void };
  vjp<Out>(
    work: (...inputs: JaxArray[]) => Out,
    inputs: readonly JaxArray[],
  ): [Out, ((gradient: Out) => JaxArray[]) & { dispose(): void }];
  readonly numpy: {
    array(data: Float32Array | Int32Array | readonly number[], options?: { shape?: readonly number[] }): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    mean(x: JaxArray, axis: number, options: { keepdims: boolean }): JaxArray;
    square(x: JaxArray): JaxArray;
    sqrt(x: JaxArray): JaxArray;
    zerosLike(x: JaxArray): JaxArray;
  };
  readonly nn: {
    softmax(x: JaxArray, axis: number): JaxArray;
    standardize(x: JaxArray, axis: number, options: { epsilon: number }): JaxArray;
    dotProductAttention(q: JaxArray, k: JaxArray, v: JaxArray, options: { isCausal: boolean }): JaxArray;
  };
}

type Settings = Readonly<Record<string, number>>;

/** A case: the arrays that it takes, in order, and what it does with them. It takes over what it gets. */
interface Op {
  readonly takes: readonly string[];
  readonly gives: readonly string[];
  make(jax: Jax, settings: Settings): (...inputs: JaxArray[]) => JaxArray[];
}

const operands = ['query', 'key', 'value'] as const;

const ops: Readonly<Record<string, Op>> = {
  matmul: {
    takes: ['a', 'b'],
    gives: ['out'],
    make:
      ({ numpy }, { transposeB }) =>
      (a, b) => [numpy.matmul(a!, transposeB === 1 ? b!.transpose() : b!)],
  },
  softmax: {
    takes: ['x'],
    gives: ['out'],
    make:
      ({ nn }) =>
      (x) => [nn.softmax(x!, -1)],
  },
  layerNorm: {
    takes: ['x', 'weight', 'bias'],
    gives: ['out'],
    make:
      ({ nn }, { epsilon }) =>
      (x, weight, bias) => [nn.standardize(x!, -1, { epsilon: epsilon! }).mul(weight!).add(bias!)],
  },
  rmsNorm: {
    takes: ['x', 'weight'],
    gives: ['out'],
    make:
      ({ numpy }, { epsilon }) =>
      (x, weight) => {
        const size = numpy.sqrt(numpy.mean(numpy.square(x!.ref), -1, { keepdims: true }).add(epsilon!));
        return [x!.div(size).mul(weight!)];
      },
  },
  attention: {
    takes: operands,
    gives: ['out'],
    make:
      ({ nn }) =>
      (q, k, v) => [nn.dotProductAttention(q!, k!, v!, { isCausal: true })],
  },
  attentionBackward: {
    takes: [...operands, 'gradOut'],
    gives: ['out', 'gradQuery', 'gradKey', 'gradValue'],
    make:
      ({ nn, vjp }) =>
      (q, k, v, gradient) => {
        const attend = (...inputs: JaxArray[]) =>
          nn.dotProductAttention(inputs[0]!, inputs[1]!, inputs[2]!, { isCausal: true });
        const [out, backward] = vjp(attend, [q!, k!, v!]);
        const gradients = backward(gradient!);
        backward.dispose();
        return [out, ...gradients];
      },
  },
};

/** Node 20 has none of the helpers of iterators that jax-js calls. */
function provideIteratorHelpers(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as Record<string, unknown>;
  const helpers = {
    toArray(this: Iterable<unknown>) {
      return [...this];
    },
    map(this: Iterable<unknown>, change: (value: unknown, index: number) => unknown) {
      return [...this].map(change).values();
    },
    filter(this: Iterable<unknown>, keeps: (value: unknown, index: number) => boolean) {
      return [...this].filter(keeps).values();
    },
    some(this: Iterable<unknown>, fits: (value: unknown, index: number) => boolean) {
      return [...this].some(fits);
    },
    every(this: Iterable<unknown>, fits: (value: unknown, index: number) => boolean) {
      return [...this].every(fits);
    },
  };
  for (const [name, value] of Object.entries(helpers)) {
    if (!(name in prototype)) Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  }
}

export async function openJax(folder: string, adapter: string | undefined): Promise<Library> {
  provideIteratorHelpers();
  const dawn = await provideGpu(adapter);
  const { load, version } = loaderOf(folder);
  const jax = load<Jax>('@jax-js/jax');
  if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js opens no WebGPU device');
  jax.defaultDevice('webgpu');
  const device = jax.getWebGPUDevice()!;
  return {
    ...{ version: version('@jax-js/jax'), device: dawn.summary.name, ops: Object.keys(ops) },
    prepare: async (op, settings, inputs) => {
      const { takes, gives, make } = ops[op]!;
      const arrays = takes.map((name) => {
        const { shape, data } = inputs[name]!;
        return jax.numpy.array(data as Float32Array, { shape });
      });
      await dawn.wait(jax.blockUntilReady(arrays));
      const eager = make(jax, settings);
      const jitted = jax.jit(eager);
      const wayOf = (work: (...inputs: JaxArray[]) => JaxArray[]): Way => {
        const call = () => work(...arrays.map((array) => array.ref));
        return {
          results: () =>
            checked(device, async () => {
              const made = call();
              const results: Record<string, HostValues> = {};
              for (const [index, name] of gives.entries()) {
                const { shape } = made[index]!;
                results[name] = { shape, data: await dawn.wait(made[index]!.data()) };
              }
              return results;
            }),
          time: async (calls) => {
            // Work is submitted when its result is asked for; what is dropped before is never computed.
            const kept: JaxArray[] = [];
            const submit = async () => void (await jax.blockUntilReady(kept));
            const timed = await timeCalls(dawn, device, () => void kept.push(...call()), calls, submit);
            for (const array of kept) array.dispose();
            return timed;
          },
        };
      };
      const release = () => {
        jitted.dispose();
        for (const array of arrays) array.dispose();
      };
      return {
        ways: new Map([
          ['eager', wayOf(eager)],
          ['jit', wayOf(jitted)],
        ]),
        release,
      };
    },
  };
}
