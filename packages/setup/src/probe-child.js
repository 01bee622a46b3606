// Opens Dawn, runs a small compute shader and prints what it found as JSON. Runs in a process of its own, because a
// broken driver can end the process. Arguments: the path of the `webgpu` package's entry.
import { pathToFileURL } from 'node:url';

// What is loaded here may end the process; the last of these lines tells what it was.
console.log(JSON.stringify({ addOn: 'loading' }));
const { create, globals } = await import(pathToFileURL(process.argv[2] ?? '').href).catch((error) => {
  console.log(JSON.stringify({ adapter: null, reason: error.message.split('\n')[0], addOn: 'failed' }));
  process.exit(0);
});
console.log(JSON.stringify({ addOn: 'loaded' }));
Object.assign(globalThis, globals);
const options = ['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia'];
if (process.platform === 'linux') options.unshift('backend=vulkan');

/** Doubles 64 numbers on the device; throws unless every one comes back doubled. */
async function compute(/** @type {GPUDevice} */ device) {
  const code = `@group(0) @binding(0) var<storage, read_write> values: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { values[id.x] = id.x * 2u + 1u; }`;
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const storage = device.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const result = device.createBuffer({ size: 256, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: storage } }],
    }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(storage, 0, result, 0, 256);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(GPUMapMode.READ);
  const values = new Uint32Array(result.getMappedRange().slice(0));
  if (!values.every((value, index) => value === index * 2 + 1)) throw new Error('the test shader gave wrong numbers');
}

// Held in a variable until the end: Dawn crashes when the instance is collected before its devices.
const gpu = create(options);
const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
if (!adapter) {
  console.log(JSON.stringify({ adapter: null, reason: 'Dawn finds no adapter' }));
  process.exit(0);
}
const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
const device = await adapter.requestDevice();
await compute(device);
console.log(
  JSON.stringify({
    adapter: { vendor, architecture, name, description, fallback: isFallbackAdapter ?? false },
    subgroupMatrix: adapter.features.has('chromium-experimental-subgroup-matrix'),
    f16: adapter.features.has('shader-f16'),
  }),
);
process.exit(gpu ? 0 : 1);
