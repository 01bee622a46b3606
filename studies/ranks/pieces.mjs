// One rank: what the size of pieces costs where the gradients of one large table are summed, by turns. main.mjs starts it.
import { openDevice } from '@crossgate/gpu/node';
import {
  bceWithLogits,
  embedding,
  fromHost,
  GradientReduction,
  linear,
  ParameterGroup,
  reshape,
  Tape,
} from '@crossgate/tensor';
import { collective, end, startClock } from './rank.mjs';

const megabytes = 64;
const [rows, width] = [4096 * megabytes, 64];
const device = await openDevice();
const table = { name: 'table', shape: [rows, width], values: new Float32Array(rows * width).fill(0.1) };
const group = new ParameterGroup(device, 'pieces', [table]);
group.trainable = true;
const ones = new Float32Array(width).fill(1);
const sizes = [4, 16, 64].map((size) => ({
  megabytes: size,
  reduction: new GradientReduction([group], collective, { pieceBytes: size * 2 ** 20 }),
  whole: /** @type {number[]} */ ([]),
  processor: /** @type {number[]} */ ([]),
}));
for (let round = 0; round < 7; round++) {
  for (const { reduction, whole, processor } of sizes) {
    await collective.barrier();
    const stop = startClock();
    const work = device.step();
    group.zeroGradients();
    const tape = new Tape();
    tape.record(() => {
      const vectors = embedding(group.get('table'), Uint32Array.of(1, 2, 3, 4));
      const scores = linear(vectors, fromHost(device, [1, width], ones));
      return bceWithLogits(reshape(scores, [4]), new Float32Array(4), 1 / 4);
    });
    await reduction.backward(tape);
    work.end();
    await device.recorder.synchronize();
    const took = stop();
    // The first round compiles, and agrees on the order.
    if (round === 0) continue;
    whole.push(took.whole);
    processor.push(took.processor);
  }
}
await end(sizes.map(({ megabytes: size, whole, processor }) => ({ megabytes: size, whole, processor })));
