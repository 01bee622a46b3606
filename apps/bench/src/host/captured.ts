/** The calls to Dawn of a step, taken down and made again: what recording cannot cost less than. */
import type { Device } from '@crossgate/gpu';

interface Call {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly immediates: Uint8Array<ArrayBuffer> | undefined;
  readonly workgroups: readonly [number, number | undefined];
}

/** The dispatches of `record`, in passes, one to a submit. */
export type CapturedStep = readonly (readonly Call[])[];

/** Takes down the dispatches that `record` makes on a device whose parameters are immediates. */
export function captureStep(device: Device, record: () => void): CapturedStep {
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
export function replayStep({ gpu }: Device, passes: CapturedStep): void {
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
