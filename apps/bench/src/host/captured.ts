/** What a step records, taken down and recorded again without what leads to it: by the recorder, and by Dawn alone. */
import type { Device, DispatchArguments, Kernel } from '@crossgate/gpu';

/** The dispatches of `record`, as the recorder is asked for them. */
export function captureDispatches({ recorder }: Device, record: () => void): readonly [Kernel, DispatchArguments][] {
  const dispatches: [Kernel, DispatchArguments][] = [];
  const { dispatch } = recorder;
  recorder.dispatch = (kernel, args) => {
    const plain = args as unknown as DispatchArguments;
    dispatches.push([kernel, plain]);
    dispatch.call(recorder, kernel, plain);
  };
  try {
    record();
  } finally {
    recorder.dispatch = dispatch;
  }
  return dispatches;
}

interface Call {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly immediates: Uint8Array<ArrayBuffer> | undefined;
  readonly workgroups: readonly [number, number | undefined];
}

/** The dispatches of a step as Dawn is told them, in passes, one to a submit. */
export type CapturedCalls = readonly (readonly Call[])[];

/** Takes down the calls to Dawn that `record` makes on a device whose parameters are immediates. */
export function captureCalls(device: Device, record: () => void): CapturedCalls {
  const passes: Call[][] = [];
  const { gpu } = device;
  const createCommandEncoder = gpu.createCommandEncoder.bind(gpu);
  gpu.createCommandEncoder = (descriptor) => {
    const encoder = createCommandEncoder(descriptor);
    const beginComputePass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (options) => {
      const calls: Call[] = [];
      passes.push(calls);
      return watched(beginComputePass(options), calls);
    };
    return encoder;
  };
  try {
    record();
  } finally {
    gpu.createCommandEncoder = createCommandEncoder;
  }
  return passes;
}

/** The same pass, which also notes what it is told. */
function watched(pass: GPUComputePassEncoder, calls: Call[]): GPUComputePassEncoder {
  let pipeline: GPUComputePipeline;
  let group: GPUBindGroup;
  let immediates: Uint8Array<ArrayBuffer> | undefined;
  const { setPipeline, setImmediates, dispatchWorkgroups } = pass;
  const setBindGroup = pass.setBindGroup as (index: number, value: GPUBindGroup | null | undefined) => undefined;
  pass.setPipeline = (value) => {
    pipeline = value;
    return setPipeline.call(pass, value);
  };
  pass.setBindGroup = (index: number, value: GPUBindGroup | null | undefined) => {
    group = value!;
    return setBindGroup.call(pass, index, value);
  };
  pass.setImmediates = (offset, data, first = 0, bytes = 0) => {
    immediates = new Uint8Array(data as ArrayBuffer).slice(first, first + bytes);
    return setImmediates.call(pass, offset, data, first, bytes);
  };
  pass.dispatchWorkgroups = (x, y) => {
    calls.push({ pipeline, group, immediates, workgroups: [x, y] });
    immediates = undefined;
    return dispatchWorkgroups.call(pass, x, y);
  };
  return pass;
}

/** Makes the same calls again. */
export function replayCalls({ gpu }: Device, passes: CapturedCalls): void {
  for (const calls of passes) {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    let last: GPUComputePipeline | undefined;
    for (const { pipeline, group, immediates, workgroups } of calls) {
      if (pipeline !== last) pass.setPipeline(pipeline);
      last = pipeline;
      if (immediates) pass.setImmediates(0, immediates.buffer, 0, immediates.length);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(workgroups[0], workgroups[1]);
    }
    pass.end();
    gpu.queue.submit([encoder.finish()]);
  }
}
