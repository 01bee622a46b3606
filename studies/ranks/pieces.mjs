// One rank: what the size of pieces costs where the gradients of one large table are summed, by turns. Rank 0 prints rows of
// a Markdown table.
import { openMpi } from '@crossgate/collective/node';
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

const megabytes = 64;
const [rows, width] = [4096 * megabytes, 64];
const job = await openMpi();
const device = await openDevice();
const table = { name: 'table', shape: [rows, width], values: new Float32Array(rows * width).fill(0.1) };
const group = new ParameterGroup(device, 'pieces', [table]);
group.trainable = true;
const ones = new Float32Array(width).fill(1);
const sizes = [4, 16, 64].map((size) => ({
  size,
  reduction: new GradientReduction([group], job, { pieceBytes: size * 2 ** 20 }),
  whole: /** @type {number[]} */ ([]),
  busy: /** @type {number[]} */ ([]),
}));
for (let round = 0; round < 7; round++) {
  for (const { reduction, whole, busy } of sizes) {
    await job.barrier();
    const [start, before] = [performance.now(), process.cpuUsage()];
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
    const { user, system } = process.cpuUsage(before);
    // The first round compiles, and agrees on the order.
    if (round === 0) continue;
    whole.push(performance.now() - start);
    busy.push((user + system) / 1000);
  }
}
const median = (/** @type {number[]} */ values) => values.toSorted((x, y) => x - y)[values.length >> 1] ?? 0;
for (const { size, whole, busy } of job.rank === 0 ? sizes : []) {
  const cells = [job.size, `${size} MB`, `${median(whole).toFixed(0)} ms`, `${median(busy).toFixed(0)} ms`];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
await job.end(0, async () => {});
process.exit(0);
