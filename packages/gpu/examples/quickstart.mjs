// Doubles three numbers on the GPU: a kernel is its WGSL and a declaration.
import { defineKernel } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';

const double = defineKernel({
  name: 'double',
  source: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < parameters.count) { x[id.x] = 2.0 * x[id.x]; }
  }`,
  bindings: { x: { access: 'read_write', type: 'f32' } },
  parameters: { count: 'u32' },
});

const device = await openDevice();
console.log(device.capabilities.name, device.capabilities.software ? '(software)' : '(hardware)');
const step = device.step();
const x = device.memory.allocate(4 * 3);
device.recorder.write(x, new Float32Array([1, 2, 3]));
device.recorder.dispatch(double, { bindings: { x }, parameters: { count: 3 }, workgroups: 1 });
console.log(new Float32Array(await device.recorder.read(x)));
step.end();
await device.destroy();
