// What a training step costs the host once the training has settled, on a device that checks commands and runs nothing.
import type { Device } from '@crossgate/gpu';
import { openNullDevice } from '@crossgate/gpu/node';
import { Adam, RandomStream, Tape, yesNoLoss } from '@crossgate/tensor';
import { randomLlamaWeights } from '@crossgate/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LlamaModel, LoraAdapters, lastTokens, packSequences } from '../src';
import { baseShape, inMemory } from './reference-model';

let device: Device;
beforeAll(async () => {
  device = await openNullDevice();
});
afterAll(() => device.destroy());

/** Steps of a LoRA training with dropout on prompts of the given lengths. */
async function training(layers: number) {
  const shape = { ...baseShape, layers };
  const base = await LlamaModel.load(device, inMemory(shape, randomLlamaWeights(shape, 3)));
  const options = { rank: 4, alpha: 8, dropout: 0.1, targets: ['q_proj', 'v_proj'] };
  const adapters = new LoraAdapters(device, base.config, options, new RandomStream(1, 'lora'));
  const model = base.with({ adapters });
  adapters.group.trainable = true;
  const optimizer = new Adam([adapters.group], { kind: 'adamw', learningRate: 1e-3 });
  const loss = { kind: 'eq5', k: 1, bprOn: 'probability', yesToken: 3, noToken: 4 } as const;
  const step = async (lengths: readonly number[], counter: number) => {
    const tokens = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0)).fill(5);
    {
      using _ = device.step();
      adapters.group.zeroGradients();
      using tape = new Tape();
      tape.record(() => {
        const batch = packSequences(device, lengths);
        const hidden = model.forward(model.embed(tokens), batch, lastTokens(batch), { seed: 1, counter });
        return yesNoLoss(
          model.logits(hidden),
          Float32Array.from(lengths, (__, i) => i % 2),
          loss,
          1 / lengths.length,
        );
      });
      tape.backward();
      optimizer.step();
    }
    await device.recorder.synchronize();
  };
  const release = () => {
    optimizer.release();
    adapters.release();
    base.release();
  };
  return { step, release };
}

it('makes no buffer and no bind group any more, however long the prompts are', async () => {
  const { step, release } = await training(3);
  const random = new RandomStream(5, 'lengths');
  const lengths = () => Array.from({ length: 3 }, () => 30 + Math.floor(31 * random.uniform()));
  for (let i = 0; i < 60; i++) await step(lengths(), i);
  const createBindGroup = vi.spyOn(device.gpu, 'createBindGroup');
  const createBuffer = vi.spyOn(device.gpu, 'createBuffer');
  const [memory, kept] = [device.report(), device.recorder.cachedBindGroups];
  for (let i = 60; i < 100; i++) await step(lengths(), i);
  expect(createBindGroup).not.toHaveBeenCalled();
  expect(createBuffer).not.toHaveBeenCalled();
  expect(device.report()).toEqual(memory);
  expect(device.recorder.cachedBindGroups).toEqual(kept);
  createBindGroup.mockRestore();
  createBuffer.mockRestore();
  release();
  device.memory.trim();
  expect(device.recorder.cachedBindGroups).toEqual({ groups: 0, references: 0 });
});

it('takes few dispatches for a layer', async () => {
  const dispatches: number[] = [];
  for (const layers of [3, 4]) {
    const { step, release } = await training(layers);
    const before = device.recorder.dispatchCount;
    await step([40, 50], 1);
    dispatches.push(device.recorder.dispatchCount - before);
    release();
  }
  expect(dispatches[1]! - dispatches[0]!).toBeLessThanOrEqual(46);
});
