/** What users give instead of a model folder: GGUF files in folders and in parts, the Hub's cache, shards alone, files of other kinds. */
import { copyFile, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ggufParts } from '../src/formats/index';
import { findModel, ggufTokenizerFiles, modelFiles, openModel, openTokenizer } from '../src/node';
import {
  encodeGguf,
  encodeGgufFile,
  type GgufField,
  randomModel,
  type TinyModel,
  writeGguf,
  writeHfFolder,
} from './fixtures';

const shape = { vocabSize: 300, hiddenSize: 8, intermediateSize: 12, layers: 2, heads: 2, keyValueHeads: 1 };
const model = randomModel(shape);

let folder = '';
const at = (...names: string[]) => join(folder, ...names);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossgate-path-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function expectModel(path: string): Promise<void> {
  const opened = await openModel(path);
  expect([...opened.source.tensors.keys()].sort()).toEqual([...model.weights.keys()].sort());
  for (const [name, { data }] of model.weights) expect(await opened.source.readAll(name), name).toEqual(data);
  await opened.close();
}

const refusal = (message: RegExp) =>
  expect.objectContaining({ name: 'InputError', message: expect.stringMatching(message) });

describe('folders', () => {
  test('with one GGUF file stand for it, a config.json beside it or not', async () => {
    await writeGguf(at('m.Q8_0.gguf'), model, { tokenizer: true });
    await expectModel(folder);
    expect((await openTokenizer(folder)).vocabSize).toBe(300);
    await writeFile(at('config.json'), '{"model_type":"llama"}');
    expect(await findModel(folder)).toBe(at('m.Q8_0.gguf'));
    await writeGguf(at('m.F32.gguf'), model);
    await expect(openModel(folder)).rejects.toThrow(
      refusal(/holds several models: m\.F32\.gguf, m\.Q8_0\.gguf; name one/),
    );
  });

  test('with safetensors are read, whatever lies beside', async () => {
    await writeHfFolder(folder, model);
    await writeGguf(at('other.gguf'), model);
    await writeFile(at('pytorch_model.bin'), 'x');
    await expectModel(folder);
    expect(await modelFiles(folder)).toEqual([at('model.safetensors')]);
  });

  test('of the cache that Hugging Face keeps stand for the snapshot of main', async () => {
    const [cache, commit] = [at('models--acme--tiny'), 'c0ffee'.padEnd(40, '0')];
    const snapshot = join(cache, 'snapshots', commit);
    await writeHfFolder(join(cache, 'blobs'), model);
    await mkdir(join(cache, 'refs'));
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(cache, 'refs', 'main'), commit);
    for (const name of ['config.json', 'model.safetensors']) await symlink(`../../blobs/${name}`, join(snapshot, name));
    await expectModel(cache);
    await expectModel(snapshot);
    // A download that was broken off leaves links that lead nowhere.
    await unlink(join(cache, 'blobs', 'model.safetensors'));
    await expect(openModel(cache)).rejects.toThrow(refusal(/model\.safetensors: there is no such file/));
  });

  test('with shards and no index are put together by their names', async () => {
    await writeHfFolder(folder, model, { shards: 3 });
    await unlink(at('model.safetensors.index.json'));
    await expectModel(folder);
    expect(await modelFiles(folder)).toHaveLength(3);
    await unlink(at('model-00002-of-00003.safetensors'));
    await expect(openModel(folder)).rejects.toThrow(
      refusal(/model-00002-of-00003\.safetensors: the file is missing; the shards beside it say that there are 3/),
    );
  });

  test.each<[string, string, RegExp]>([
    ['nothing', 'README.md', /is not a model folder \(there is no config\.json\)/],
    ['an adapter', 'adapter_config.json', /is an adapter; give the model that it was trained on/],
  ])('with %s are refused', async (_, name, message) => {
    await writeFile(at(name), '{}');
    await expect(openModel(folder)).rejects.toThrow(refusal(message));
  });
});

describe('a GGUF model in parts', () => {
  const part = (number: number) => `m-0000${number}-of-00003.gguf`;
  /** As `llama-gguf-split` writes them: the first has all metadata, the others say only which they are. */
  async function writeParts(change: (name: string, part: number) => GgufField | undefined = () => undefined) {
    const names = [...model.weights.keys()];
    for (let number = 1; number <= 3; number++) {
      const split = (key: string, value: number): [string, GgufField] => {
        return [key, change(key, number) ?? { type: 'u16', value }];
      };
      const metadata = Object.fromEntries([split('split.no', number - 1), split('split.count', 3)]);
      const own = names.filter((_, index) => index % 3 === number - 1);
      const some: TinyModel = { ...model, weights: new Map(own.map((name) => [name, model.weights.get(name)!])) };
      const bytes = number === 1 ? encodeGguf(some, { metadata, tokenizer: true }) : encodeGguf(some, { metadata });
      await writeFile(at(part(number)), bytes);
    }
  }

  test('is opened by any of its parts, or by its folder', async () => {
    await writeParts();
    for (const path of [at(part(1)), at(part(3)), folder]) await expectModel(path);
    expect((await openTokenizer(at(part(2)))).vocabSize).toBe(300);
    expect([...(await ggufTokenizerFiles(at(part(2)))).keys()]).toContain('tokenizer.json');
    expect(await modelFiles(folder)).toEqual([at(part(1)), at(part(2)), at(part(3))]);
  });

  test('is refused where a part is missing, or not the one that its name says', async () => {
    await writeParts();
    await rename(at(part(2)), at('x'));
    await expect(openModel(at(part(1)))).rejects.toThrow(
      refusal(/m-00002-of-00003\.gguf: there is no such file; .* 3 parts/),
    );
    await copyFile(at(part(3)), at(part(2)));
    await expect(openModel(at(part(1)))).rejects.toThrow(
      refusal(/m-00002-of-00003\.gguf: it says that it is part 3 of 3, not part 2 of 3/),
    );
    await rename(at(part(1)), at('whole.gguf'));
    await expect(openModel(at('whole.gguf'))).rejects.toThrow(
      refusal(/whole\.gguf: it says that it is part 1 of 3, not a whole model; keep all parts in one folder/),
    );
  });

  test('is refused where two parts hold the same tensor', async () => {
    await writeParts();
    const metadata: Record<string, GgufField> = {
      'split.no': { type: 'u16', value: 1 },
      'split.count': { type: 'u16', value: 3 },
    };
    const bytes = new Uint8Array(4 * 8);
    await writeFile(
      at(part(2)),
      encodeGgufFile(metadata, [{ name: 'token_embd.weight', shape: [8], type: 'F32', bytes }]),
    );
    await expect(openModel(folder)).rejects.toThrow(
      refusal(/00002-of-00003\.gguf: tensor "token_embd\.weight" is in another part/),
    );
  });

  test('has the names that llama.cpp gives', () => {
    expect(ggufParts('/a/m-00002-of-00002.gguf')).toEqual(['/a/m-00001-of-00002.gguf', '/a/m-00002-of-00002.gguf']);
    for (const name of ['m.gguf', 'm-1-of-2.gguf', 'm-00003-of-00002.gguf', 'm-00000-of-00000.gguf']) {
      expect(ggufParts(name)).toEqual([name]);
    }
  });
});

describe('files of other kinds are named', () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 1043000\n`;
  test.each<[string, string, RegExp]>([
    ['pytorch_model.bin', 'anything at all that is long enough', /is a PyTorch pickle.*AutoTokenizer.*save_pretrained/],
    ['model.gguf', 'PK\x03\x04'.padEnd(100), /is a PyTorch pickle/],
    ['model.safetensors', '{}'.padEnd(100), /is one file of a model; give the folder/],
    ['model.gguf', pointer, /is a pointer of Git LFS.*git lfs pull/],
    ['model.gguf', '<!DOCTYPE html><html>'.padEnd(100), /is a web page/],
    ['model.gguf', 'tjgg'.padEnd(100), /from before GGUF/],
    ['model.gguf', 'x'.repeat(100), /is no GGUF file/],
  ])('%s: %j', async (name, content, message) => {
    await writeFile(at(name), content);
    await expect(openModel(at(name))).rejects.toThrow(refusal(message));
  });

  test.each(['model.safetensors', 'config.json', 'tokenizer.json'])('a pointer of Git LFS as %s', async (name) => {
    await writeHfFolder(folder, model);
    await writeFile(at(name), pointer);
    const opening = async () => (await openModel(folder)).tokenizer();
    await expect(opening()).rejects.toThrow(refusal(new RegExp(`${name} is a pointer of Git LFS`)));
  });
});
