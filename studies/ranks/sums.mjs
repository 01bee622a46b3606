// One rank: how fast sums of 1 to 256 MB are, in f32 and f16 on the wire. main.mjs starts it.
import { collective, end } from './rank.mjs';

const found = [];
for (const megabytes of [1, 4, 16, 64, 256]) {
  const values = new Float32Array((megabytes * 1e6) / 4).fill(1 / collective.size);
  /** Megabytes of values summed a second, by the values' size in f32. */
  const speeds = { f32: 0, f16: 0 };
  for (const wire of /** @type {const} */ (['f32', 'f16'])) {
    const rounds = Math.max(1, Math.min(10, Math.floor(64 / megabytes)));
    // The first makes the buffers.
    await collective.allReduce(values.subarray(0, 2 ** 22), wire);
    await collective.barrier();
    const start = performance.now();
    for (let round = 0; round < rounds; round++) await collective.allReduce(values, wire);
    await collective.barrier();
    speeds[wire] = (1000 * rounds * megabytes) / (performance.now() - start);
  }
  found.push({ megabytes, ...speeds });
}
await end({ sums: found });
