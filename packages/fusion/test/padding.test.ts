// Batches that are padded for captured steps: losses and gradients of batches without padding.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { Tape, Tensor, uploadTo } from '@crossgate/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ccf, packPrompts } from '../src';
import { uploadBatch } from '../src/upload-batch';
import { tinyDataset } from './tiny';
import { randomizeLora, tinySystem } from './training';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

it.each([{}, { activations: 'f16' }] as const)('with %j', async (options) => {
  const { model, builder, release } = await tinySystem(device, await tinyDataset(), ccf);
  await randomizeLora(model);
  // No prompt has token 0, whose embedding overflows halves.
  const table = model.llm.tokenEmbeddings;
  if (!(table instanceof Tensor)) throw new Error('the tiny model has a table of f32');
  device.recorder.write(table.slice, new Float32Array(16).fill(1e6));
  const prompts = [1, 2, 3].map((user) => builder.build({ user, item: user + 3, history: [user + 1] }));
  const labels = Float32Array.of(1, 0, 1);
  const cf = { seed: 5, counter: 3, items: 0.4, users: 0.4 };
  const groups = model.allGroups();
  for (const group of groups) group.trainable = true;
  const lossOptions = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 2, noToken: 3 } as const;
  const run = async (pad: boolean) => {
    const step = device.step();
    for (const group of groups) group.zeroGradients();
    const tape = new Tape(options);
    const { losses } = tape.record(() => {
      if (!pad) return model.loss(prompts, labels, lossOptions, 1 / 3, { cf });
      const batch = packPrompts(prompts, { tokens: 128, items: 16, titleTokens: 64 });
      const uploaded = uploadBatch(model, batch, labels, cf, uploadTo(device));
      expect([uploaded.packed.tokens % 128, batch.items.length, batch.titleTokens.length % 64]).toEqual([0, 16, 0]);
      return model.lossOfUploaded({ ...batch, uploaded }, lossOptions, 1 / 3, { cf });
    });
    tape.backward();
    const values = [losses.read()];
    for (const { gradient, shape } of groups.flatMap(({ parameters }) => parameters)) {
      values.push(new Tensor(device, gradient, shape).read());
    }
    tape[Symbol.dispose]();
    step.end();
    return Promise.all(values);
  };
  const [padded, plain] = [await run(true), await run(false)];
  expect(plain.slice(1).every((gradient) => gradient.some((value) => value !== 0))).toBe(true);
  for (const [i, values] of padded.entries()) {
    expect(values.every(Number.isFinite)).toBe(true);
    const scale = Math.max(...plain[i]!.map(Math.abs));
    values.forEach((value, at) => {
      expect(Math.abs(value - plain[i]![at]!)).toBeLessThan((options.activations ? 1e-2 : 1e-4) * scale);
    });
  }
  release();
});
