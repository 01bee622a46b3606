// Whose memory is whose: a model frees what it made, and leaves the weights that it was handed.
import { openDevice } from '@crossgate/gpu/node';
import { persistent, RandomStream, releasePersistent } from '@crossgate/tensor';
import { expect, it } from 'vitest';
import { expectedTensors, LlamaModel, LoraAdapters, weightsInMemory } from '../src';

const config = {
  architecture: 'llama',
  vocabSize: 11,
  hiddenSize: 8,
  intermediateSize: 12,
  layers: 1,
  heads: 2,
  keyValueHeads: 1,
  headDim: 4,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: true,
  maxPositions: 16,
  bosTokenId: null,
  eosTokenIds: [],
};
const shapes = expectedTensors(config);
const lora = { rank: 2, alpha: 2, dropout: 0, targets: ['q_proj'] };
const zeros = (shape: readonly number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1));

it('a model over tensors of the caller leaves those, and frees the rest', async () => {
  const device = await openDevice();
  try {
    const tensors = new Map(
      [...shapes].map(([name, shape]) => [name, persistent(device, shape, 'mine', zeros(shape))]),
    );
    const before = device.report().persistent;
    const model = LlamaModel.over(device, config, tensors);
    const adapted = model.with({ adapters: new LoraAdapters(device, config, lora, new RandomStream(1, 'lora')) });
    expect([model.adapters, adapted.adapters!.options]).toEqual([null, lora]);
    expect(Object.keys(device.report().persistent).length).toBeGreaterThan(1);
    adapted.release(); // It has nothing of its own.
    expect(Object.keys(device.report().persistent).length).toBeGreaterThan(1);
    adapted.adapters!.release();
    model.release();
    expect(device.report().persistent).toEqual(before);
    for (const tensor of tensors.values()) releasePersistent(tensor);
    expect(device.report().persistent).toEqual({});
  } finally {
    device.destroy();
  }
});

it('a model that was loaded frees its weights, and has none when loading fails', async () => {
  const bytes = [...shapes.values()].reduce((sum, shape) => sum + zeros(shape).byteLength, 0);
  const rotary = 4 * config.maxPositions * config.headDim;
  const source = weightsInMemory(
    config,
    new Map([...shapes].map(([name, shape]) => [name, { shape, data: zeros(shape) }])),
  );
  const device = await openDevice({ memoryBudget: bytes + rotary });
  try {
    const model = await LlamaModel.load(device, source);
    expect(device.report().persistent.weights).toBe(bytes + rotary);
    model.release();
    expect(device.report().persistent).toEqual({});
    // Room for the weights, but not for the rotary table as well.
    const other = persistent(device, [1], 'other');
    await expect(LlamaModel.load(device, source)).rejects.toThrow(/do not fit/);
    releasePersistent(other);
    expect(device.report().persistent).toEqual({});
  } finally {
    device.destroy();
  }
});
