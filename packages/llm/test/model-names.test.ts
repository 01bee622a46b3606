/** Folders whose tensors are named otherwise, are empty, or have a head of their own beside tied embeddings. */
import { encodeSafetensors } from '@crossgate/tensor';
import { describe, expect, it } from 'vitest';
import { encodeWeights, huggingFaceConfig, mergedWeights } from '../src';
import { memoryFolder, openHuggingFaceModel } from '../src/formats/index';
import { collect, encodeHfFolder, randomModel, type TinyModel } from './fixtures';

const shape = { vocabSize: 11, hiddenSize: 8, intermediateSize: 12, layers: 2, heads: 2, keyValueHeads: 1 };
const model = randomModel(shape, 3);
const tied = randomModel({ ...shape, tied: true }, 4, 'F16');
const embeddings = 'model.embed_tokens.weight';
const head = 'lm_head.weight';

const named = (rename: (name: string) => string, of = model): TinyModel => ({
  ...of,
  weights: new Map([...of.weights].map(([name, weight]) => [rename(name), weight])),
});
const withWeight = (of: TinyModel, name: string, extents: readonly number[], data: Float32Array): TinyModel => ({
  ...of,
  weights: new Map([...of.weights, [name, { shape: extents, data }]]),
});
const open = async (of: TinyModel, options = {}) =>
  openHuggingFaceModel(memoryFolder('m', await encodeHfFolder(of, options)));

describe('tensors under other names', () => {
  it.each<[string, (name: string) => string, string]>([
    ['of DataParallel', (name) => `module.${name}`, 'module.model.embed_tokens.weight'],
    ['of torch.compile', (name) => `_orig_mod.${name}`, '_orig_mod.model.embed_tokens.weight'],
    ['of PEFT', (name) => `base_model.model.${name}`, 'base_model.model.model.embed_tokens.weight'],
    ['without the prefix', (name) => name.replace(/^model\./, ''), 'embed_tokens.weight'],
    [
      'of a part of a larger model',
      (name) => name.replace(/^model\./, 'model.language_model.'),
      'model.language_model.embed',
    ],
    [
      'of a part whose head has it, too',
      (name) => `language_model.${name}`,
      'language_model.model.embed_tokens.weight',
    ],
  ])('are read: %s', async (_, rename, shown) => {
    for (const options of [{}, { shards: 3 }]) {
      const source = await open(named(rename), options);
      for (const [name, { data }] of model.weights) expect(await source.readAll(name), name).toEqual(data);
      expect(source.tensors.size).toBe(model.weights.size);
      expect(source.warnings).toEqual([expect.stringContaining(`m: "${shown}`)]);
      expect(source.warnings[0]).toContain(` is read as ${embeddings}`);
    }
  });

  it.each<[string, (name: string) => string, RegExp]>([
    [
      'of Meta',
      (name) => name.replace('model.layers', 'layers').replace('self_attn.q_proj', 'attention.wq'),
      /tensor model\.layers\.0\..* is missing, and \d+ more of 21 are; the file has "layers\.0\./,
    ],
    [
      'of GPTQ',
      (name) => name.replace('_proj.weight', '_proj.qweight'),
      /q_proj\.weight is missing, and 13 more of 21 are; the file has "model\.layers\.0\.self_attn\.q_proj\.qweight"/,
    ],
    [
      'of one that is damaged',
      (name) => name.replace('model.norm.weight', 'nodel.norm.weight'),
      /tensor model\.norm\.weight is missing; the file has "nodel\.norm\.weight"/,
    ],
  ])('are shown beside what is wanted: %s', async (_, rename, message) => {
    await expect(open(named(rename))).rejects.toThrow(message);
  });

  it('are not taken for another model that has more', async () => {
    const more = withWeight(
      named((name) => `module.${name}`),
      'module.visual.weight',
      [2],
      new Float32Array(2),
    );
    await expect(open(more)).rejects.toThrow(/embed_tokens\.weight is missing.*"module\.model\.embed_tokens\.weight"/);
  });
});

describe('empty tensors', () => {
  const none = new Float32Array(0);
  it('that nothing needs are passed over', async () => {
    const source = await open(withWeight(model, 'model.layers.0.self_attn.extra', [0], none));
    expect(source.tensors.size).toBe(model.weights.size);
    const shared = await open(withWeight(tied, head, [0], none));
    expect(shared.config.tieWordEmbeddings).toBe(true);
    expect(shared.warnings).toEqual([]);
  });

  it('that are needed are refused', async () => {
    const weights = new Map([...model.weights, ['model.norm.weight', { shape: [0], data: none }] as const]);
    await expect(open({ ...model, weights })).rejects.toThrow(/norm\.weight has shape \[0\], but/);
  });
});

describe('a head beside tied embeddings', () => {
  const { data } = tied.weights.get(embeddings)!;
  const other = data.map((value) => 2 * value);

  it('that is the same is the embeddings', async () => {
    const source = await open(withWeight(tied, head, [11, 8], data));
    expect(source.config).toEqual(tied.config);
    expect(source.warnings).toEqual([]);
    expect([...source.tensors.keys()]).not.toContain(head);
  });

  it('that differs is used, which is said, and written as a model of its own', async () => {
    const source = await open(withWeight(tied, head, [11, 8], other));
    expect(source.warnings).toEqual([
      expect.stringContaining(
        'tie_word_embeddings: true, but lm_head.weight differs from model.embed_tokens.weight; the head',
      ),
    ]);
    expect(source.config.tieWordEmbeddings).toBe(false);
    expect(await source.readAll(head)).toEqual(other);
    const merged = mergedWeights(source, { options: { rank: 1, alpha: 1, dropout: 0, targets: [] }, state: new Map() });
    expect(merged.warnings).toEqual(source.warnings);
    const files = new Map([
      ['config.json', new TextEncoder().encode(JSON.stringify(huggingFaceConfig(merged.config, 'F16')))],
      ['model.safetensors', await collect(encodeWeights(merged, 'F16'))],
    ]);
    const copy = await openHuggingFaceModel(memoryFolder('copy', files));
    expect(copy.warnings).toEqual([]);
    expect(copy.config).toEqual(source.config);
    expect(await copy.readAll(head)).toEqual(other);
    expect(await copy.readAll(embeddings)).toEqual(data);
  });

  it('of another shape is refused', async () => {
    await expect(open(withWeight(tied, head, [12, 8], new Float32Array(96)))).rejects.toThrow(
      /lm_head\.weight has shape \[12,8\], but the configuration makes it \[11,8\]/,
    );
  });

  it('that stands alone is the embeddings, too', async () => {
    const alone = named((name) => name.replace(embeddings, head), tied);
    const source = await open(alone);
    expect(source.config.tieWordEmbeddings).toBe(true);
    expect(await source.readAll(embeddings)).toEqual(data);
  });

  it('counts where blocks differ in other types than the embeddings', async () => {
    const files = await encodeHfFolder(tied);
    const bytes = await collect(
      encodeSafetensors(
        [...tied.weights, [head, { shape: [11, 8], data }] as const].map(([name, weight]) => ({
          ...{ name, shape: weight.shape, dtype: 'F32' as const },
          bytes: () => new Uint8Array(weight.data.buffer, weight.data.byteOffset, weight.data.byteLength),
        })),
      ),
    );
    files.set('model.safetensors', bytes);
    expect((await openHuggingFaceModel(memoryFolder('m', files))).config.tieWordEmbeddings).toBe(true);
  });
});
