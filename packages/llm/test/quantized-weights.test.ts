/** Linear layers of 16 bits and fewer: what they stand for, how they are kept, written and trained on. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import {
  Adam,
  crossEntropy,
  float16ToFloat32,
  float32ToFloat16,
  memorySource,
  RandomStream,
  readGroup,
  Tape,
} from '@crossgate/tensor';
import type { Reference, ReferenceLlamaConfig } from '@crossgate/testing';
import { expectClose, randomLlamaWeights, reference, referenceLlama } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodeWeights,
  huggingFaceConfig,
  isLinearWeight,
  LlamaModel,
  type LoadOptions,
  LoraAdapters,
  lastTokens,
  memoryFolder,
  openGgufModel,
  openHuggingFaceModel,
  packSequences,
  quantizeRows,
  storedTypes,
  type WeightSource,
  type WeightStorage,
  weightBytes,
} from '../src';
import { collect, encodeGguf, randomModel, seededUniform } from './fixtures';
import { quantized } from './quantized';
import { inMemory } from './reference-model';

const types = { 8: storedTypes.get('Q8_0')!, 4: storedTypes.get('Q4_0')! } as const;

/** What rows become by being quantized. */
function rounded(bits: 4 | 8, values: Float32Array, columns: number): Float32Array {
  const padded = Math.ceil(columns / 32) * 32;
  const decoded = types[bits].decode(quantizeRows(bits, values, columns));
  return values.map((_, i) => decoded[Math.floor(i / columns) * padded + (i % columns)]!);
}

describe.each([8, 4] as const)('quantizeRows to %i bits', (bits) => {
  const random = seededUniform(3);
  const columns = 70;
  const values = Float32Array.from({ length: 40 * columns }, () => (random() - 0.5) ** 3);

  it('is off by at most half a step of the block, and fills rows up with zeros', () => {
    const bytes = quantizeRows(bits, values, columns);
    expect(bytes.length).toBe(40 * 3 * types[bits].blockBytes);
    const decoded = types[bits].decode(bytes);
    for (let block = 0; block < 120; block++) {
      const [row, first] = [Math.floor(block / 3), (block % 3) * 32];
      const inside = [
        ...values.subarray(row * columns + first, Math.min(row * columns + first + 32, (row + 1) * columns)),
      ];
      const most = Math.max(...inside.map(Math.abs));
      const bound = most * (bits === 8 ? 0.5 / 127 + 0.001 : 1.2 / 8);
      inside.forEach((value, j) => {
        expect(Math.abs(decoded[block * 32 + j]! - value)).toBeLessThanOrEqual(bound);
      });
      expect([...decoded.subarray(block * 32 + inside.length, (block + 1) * 32)].every((value) => value === 0)).toBe(
        true,
      );
    }
    const error = Math.sqrt(
      rounded(bits, values, columns).reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0),
    );
    const size = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
    // Measured .004 and .071 for values as unevenly spread as these.
    expect(error / size).toBeLessThan(bits === 8 ? 0.006 : 0.09);
  });

  it('keeps what it made, zeros and single large values', () => {
    const once = rounded(bits, values, columns);
    expect(rounded(8, once, columns).every((value, i) => Math.abs(value - once[i]!) <= 0.005)).toBe(true);
    const sparse = new Float32Array(64);
    sparse[40] = -3;
    const kept = rounded(bits, sparse, 64);
    expect(kept[40]).toBeCloseTo(-3, 2);
    expect(kept.filter((value) => value !== 0)).toHaveLength(1);
  });

  it.each([Number.NaN, Infinity, -1e9])('refuses %d', (value) => {
    expect(() => quantizeRows(bits, Float32Array.of(1, value), 2)).toThrow(/a value is .*cannot be quantized/);
  });
});

const config: ReferenceLlamaConfig = {
  vocabSize: 37,
  hiddenSize: 48,
  intermediateSize: 76,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 12,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: false,
};
const lengths = [9, 4, 17];
const tokens = Uint32Array.from({ length: 30 }, (_, i) => (i * 7 + 3) % config.vocabSize);
const offsets = [0, 9, 13, 30];
const original = randomLlamaWeights(config, 3);

/** The reference model with its matrices rounded. */
function roundedReference(bits: 4 | 8): Map<string, Reference> {
  return new Map(
    [...original].map(([name, value]) => {
      const { shape } = value;
      if (shape.length !== 2) return [name, value];
      const to = isLinearWeight(name) ? bits : 8;
      return [name, reference(shape, rounded(to, Float32Array.from(value.data), shape[1]!))];
    }),
  );
}

describe('a model with quantized layers', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  async function logitsOf(source: WeightSource, weights: WeightStorage): Promise<Float32Array> {
    const progress: number[] = [];
    const options: LoadOptions = { weights, onProgress: (loaded, total) => progress.push(total - loaded) };
    const before = device.report().persistent.weights ?? 0;
    const model = await LlamaModel.load(device, source, options);
    const bytes = weightBytes(source.config, weights, (name) => source.tensors.get(name)!.dtype);
    const table = 4 * model.maxPositions * source.config.headDim;
    expect(device.report().persistent.weights! - before).toBe(bytes + table);
    expect(progress.at(-1)).toBe(0);
    using _step = device.step();
    const batch = packSequences(device, lengths);
    const logits = await model.logits(model.forward(model.embed(tokens), batch, lastTokens(batch))).read();
    model.release();
    return logits;
  }

  it.each([8, 4] as const)('has the logits of the rounded weights, %i bits', async (bits) => {
    const expected = referenceLlama(config, roundedReference(bits), { tokens, offsets }).logits;
    const actual = await logitsOf(inMemory(config, original), `int${bits}`);
    expectClose(actual, expected, { relative: 1e-4, absolute: 1e-4, label: `${bits} bits` });
    const exact = referenceLlama(config, original, { tokens, offsets }).logits;
    expect(exact.data.some((value, i) => Math.abs(value - expected.data[i]!) > 1e-3)).toBe(true);
  });

  const blockTypes = [...storedTypes.values()].filter(({ blockSize }) => blockSize > 1);
  it.each(blockTypes)('keeps stored blocks of $name as they are, with the same result', async (type) => {
    // The rows of down_proj are two super-blocks.
    const sizes =
      type.blockSize === 256 ? { hiddenSize: 256, intermediateSize: 512 } : { hiddenSize: 64, intermediateSize: 96 };
    const shape = { vocabSize: 37, ...sizes, layers: 1, heads: 4, keyValueHeads: 2 };
    const model = quantized(randomModel(shape, 6), type, seededUniform(8));
    const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf(model)));
    const stored = await logitsOf(source, 'stored');
    expect(stored).toEqual(await logitsOf(source, 'f32'));
    // Asked for by name, the stored blocks are not quantized a second time.
    if (type.name === 'Q8_0') expect(stored).toEqual(await logitsOf(source, 'int8'));
    if (type.name === 'Q4_0') expect(stored).toEqual(await logitsOf(source, 'int4'));
    // Half a byte in 256 more than in the file at most: the scales of the K types are f32.
    const matrices = [...source.tensors.values()].filter(({ dtype }) => dtype === type.name);
    const values = matrices.reduce((sum, { shape: [rows = 0, columns = 0] }) => sum + rows * columns, 0);
    const norms = 4 * 3 * sizes.hiddenSize;
    const bytes = weightBytes(source.config, 'stored', (name) => source.tensors.get(name)!.dtype) - norms;
    expect(bytes / values).toBeLessThan(type.blockBytes / type.blockSize + 9 / 256);
  });

  it.each(['F16', 'BF16'] as const)('keeps stored %s as it is, with the same result', async (type) => {
    // Rows of 36 and 54 values: whole words, and rows that are filled up.
    const shape = { vocabSize: 37, hiddenSize: 36, intermediateSize: 54, layers: 1, heads: 3, keyValueHeads: 1 };
    const { config, weights } = randomModel(shape, 6);
    const { source } = await openGgufModel(memorySource('m.gguf', encodeGguf({ config, weights, dtype: type })));
    expect(source.tensors.get('model.layers.0.mlp.down_proj.weight')!.dtype).toBe(type);
    const stored = await logitsOf(source, 'stored');
    expect(stored).toEqual(await logitsOf(source, 'f32'));
    const [half, whole] = [weightBytes(config, 'stored', () => type), weightBytes(config, 'f32')];
    expect(half).toBeLessThan(0.7 * whole);
    if (type === 'F16') expect(stored).toEqual(await logitsOf(source, 'f16'));
  });

  it('is rounded to halves, where they can hold it', async () => {
    const halves = new Map(
      [...original].map(([name, value]) => [
        name,
        value.shape.length === 2
          ? reference(value.shape, float16ToFloat32(float32ToFloat16(Float32Array.from(value.data))))
          : value,
      ]),
    );
    const actual = await logitsOf(inMemory(config, original), 'f16');
    expect(actual).toEqual(await logitsOf(inMemory(config, halves), 'f32'));
    expect(actual).not.toEqual(await logitsOf(inMemory(config, original), 'f32'));
    const name = 'model.layers.0.mlp.up_proj.weight';
    const large = new Map(original).set(
      name,
      reference(original.get(name)!.shape, () => 65_520),
    );
    await expect(LlamaModel.load(device, inMemory(config, large), { weights: 'f16' })).rejects.toThrow(
      /up_proj\.weight: a value is 65520, which f16 cannot hold; keep it as stored/,
    );
  });

  it.each([8, 4] as const)('is written as a folder that loads to the same bits, %i bits', async (bits) => {
    const source = inMemory(config, original);
    const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const files = new Map([
      ['config.json', encode(huggingFaceConfig(source.config, 'F32', bits))],
      ['model.safetensors', await collect(encodeWeights(source, 'F32', undefined, bits))],
    ]);
    const copy = await openHuggingFaceModel(memoryFolder('copy', files));
    for (const name of ['model.embed_tokens.weight', 'lm_head.weight']) {
      expect(copy.tensors.get(name)!.dtype).toBe('Q8_0');
    }
    const down = 'model.layers.1.mlp.down_proj.weight';
    expect(copy.tensors.get(down)).toEqual({ shape: [48, 76], dtype: bits === 8 ? 'Q8_0' : 'Q4_0' });
    expect(await copy.readAll(down)).toEqual(rounded(bits, await source.readAll(down), 76));
    expect(await logitsOf(copy, 'stored')).toEqual(await logitsOf(source, `int${bits}`));
    // Bytes of another width are no blocks.
    const narrower = { ...source.config, intermediateSize: 64 };
    const wrong = new Map([...files, ['config.json', encode(huggingFaceConfig(narrower, 'F32', bits))]] as const);
    await expect(openHuggingFaceModel(memoryFolder('wrong', wrong))).rejects.toThrow(
      /gate_proj\.weight" of U8 with shape .* is no layer of \[64,48\]/,
    );
    const other = { ...huggingFaceConfig(source.config, 'F32'), quantization_config: { quant_method: 'gptq' } };
    const refused = new Map([...files, ['config.json', encode(other)]] as const);
    await expect(openHuggingFaceModel(memoryFolder('other', refused))).rejects.toThrow(
      /config\.json: quantization_config says that the weights are quantized, method gptq, and tensor .* \(U8\) shows it/,
    );
  });

  it('names a weight that cannot be quantized, and gives its memory back', async () => {
    const broken = new Map(original);
    const name = 'model.layers.1.self_attn.o_proj.weight';
    broken.set(
      name,
      reference(broken.get(name)!.shape, (i) => (i === 5 ? Number.NaN : 0)),
    );
    const before = device.report().persistent.weights;
    await expect(LlamaModel.load(device, inMemory(config, broken), { weights: 'int4' })).rejects.toThrow(
      /layers\.1\.self_attn\.o_proj\.weight: a value is NaN/,
    );
    expect(device.report().persistent.weights).toBe(before);
  });

  it.each([8, 4] as const)('trains LoRA as the rounded f32 weights do, %i bits', async (bits) => {
    const targets = ['q_proj', 'v_proj', 'down_proj'];
    const run = async (references: ReadonlyMap<string, Reference>, weights: WeightStorage) => {
      const plain = await LlamaModel.load(device, inMemory(config, references), { weights });
      const lora = { rank: 3, alpha: 6, dropout: 0, targets };
      const model = plain.with({ adapters: new LoraAdapters(device, plain.config, lora, new RandomStream(1, 'lora')) });
      const { group } = model.adapters!;
      group.trainable = true;
      const optimizer = new Adam([group], { kind: 'adamw', learningRate: 2e-2 });
      const losses: number[] = [];
      for (let step = 0; step < 12; step++) {
        using _step = device.step();
        group.zeroGradients();
        const tape = new Tape();
        const loss = tape.record(() => {
          const batch = packSequences(device, lengths);
          const logits = model.logits(
            model.forward(model.embed(tokens), batch, lastTokens(batch), { seed: 1, counter: step }),
          );
          return crossEntropy(logits, Uint32Array.of(1, 2, 3), 1 / 3);
        });
        tape.backward();
        losses.push((await loss.read()).reduce((sum, value) => sum + value, 0));
        optimizer.step();
      }
      const state = await readGroup(group);
      model.adapters!.release();
      plain.release();
      return { losses, state };
    };
    const actual = await run(original, `int${bits}`);
    const expected = await run(roundedReference(bits), 'f32');
    expectClose(actual.losses, expected.losses, { relative: 1e-4, absolute: 1e-5, label: 'losses' });
    for (const [name, { data }] of actual.state) {
      expectClose(data, expected.state.get(name)!.data, { relative: 1e-3, absolute: 1e-3, label: name });
    }
    expect(actual.losses.at(-1)! / actual.losses[0]!).toBeLessThan(0.5);
  });
});
