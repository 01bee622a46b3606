// Normalizes two rows of four numbers with the RMSNorm kernel.
import { openDevice } from '@crossgate/gpu/node';
import { rmsNorm } from '@crossgate/kernels';

const device = await openDevice();
const step = device.step();
const x = device.memory.allocate(4 * 8);
const weight = device.memory.allocate(4 * 4);
const out = device.memory.allocate(4 * 8);
device.recorder.write(x, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
device.recorder.write(weight, Float32Array.of(1, 1, 1, 1));
rmsNorm(device, { x, weight, out, rows: 2, columns: 4, epsilon: 1e-5 });
console.log(new Float32Array(await device.recorder.read(out)));
step.end();
await device.destroy();
