// Learns exclusive or with a network of one hidden layer, and saves it as safetensors.
import { openDevice } from '@crossgate/gpu/node';
import {
  Adam,
  bceWithLogits,
  encodeState,
  fromHost,
  linearModule,
  linearSpecs,
  ParameterGroup,
  RandomStream,
  readGroup,
  relu,
  reshape,
  Tape,
} from '@crossgate/tensor';

const device = await openDevice();
const random = new RandomStream(1, 'xor');
const group = new ParameterGroup(device, 'xor', [
  ...linearSpecs('hidden', 2, 8, random),
  ...linearSpecs('output', 8, 1, random),
]);
group.trainable = true;
const hidden = linearModule(group, 'hidden');
const output = linearModule(group, 'output');
const optimizer = new Adam([group], { kind: 'adamw', learningRate: 0.02 });

const inputs = Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1);
const labels = Float32Array.of(0, 1, 1, 0);
for (let iteration = 1; iteration <= 300; iteration++) {
  const step = device.step(); // Everything made from here on is returned by step.end().
  group.zeroGradients();
  const tape = new Tape();
  const losses = tape.record(() => {
    const logits = output(relu(hidden(fromHost(device, [4, 2], inputs))));
    return bceWithLogits(reshape(logits, [4]), labels, 1 / 4);
  });
  tape.backward();
  optimizer.step();
  if (iteration % 100 === 0) console.log(iteration, await losses.read());
  step.end();
}

let bytes = 0;
for await (const piece of encodeState(await readGroup(group))) bytes += piece.length;
console.log(`${bytes} bytes of safetensors`);
optimizer.release();
group.release();
await device.destroy();
