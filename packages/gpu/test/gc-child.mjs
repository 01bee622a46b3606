// Run with --expose-gc by gc.test.ts: works on a device while everything that can be collected is, at every step.
import { setTimeout } from 'node:timers/promises';
import { defineKernel } from '../dist/index.js';
import { listAdapters, openDevice } from '../dist/node.js';

const collect = /** @type {() => void} */ (globalThis.gc);
const twice = defineKernel({
  name: 'twice',
  source: `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < parameters.count) { out[id.x] = 2.0 * x[id.x]; }
}`,
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
  parameters: { count: 'u32' },
});

/** One step with a collection between all its parts, also while the device works and while a read is under way. */
async function work(/** @type {import('../dist/index.js').Device} */ device, /** @type {number} */ count) {
  const step = device.step();
  const [x, out] = [device.memory.allocate(4 * count), device.memory.allocate(4 * count)];
  collect();
  device.recorder.write(x, new Float32Array(count).fill(count));
  collect();
  const bindings = { x, out };
  device.recorder.dispatch(twice, { bindings, parameters: { count }, workgroups: Math.ceil(count / 64) });
  collect();
  device.recorder.flush();
  collect();
  const reading = device.recorder.read(out);
  step.end();
  collect();
  await setTimeout(1);
  collect();
  const values = new Float32Array(await reading);
  if (values.some((value) => value !== 2 * count)) throw new Error(`wrong: ${values[0]} for ${2 * count}`);
}

// Instances and adapters that nobody keeps.
await listAdapters();
for (let round = 0; round < 3; round++) {
  const device = await openDevice(round === 2 ? { immediates: false } : {});
  const kept = device.memory.persistent(256, 'kept');
  for (let count = 1; count <= 12; count++) await work(device, 100 * count);
  device.memory.free(kept);
  device.memory.trim();
  await setTimeout(5);
  collect();
  await work(device, 100);
  device.destroy();
  collect();
  await setTimeout(5);
  collect();
}
process.stdout.write('alive\n');
// A driver's threads may outlive the last device; what is tested is over.
process.exit(0);
