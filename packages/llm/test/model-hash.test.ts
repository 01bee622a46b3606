/** The hash of a model: notices other weights and another tokenizer, not another place. */
import { existsSync } from 'node:fs';
import { cp, open, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readGgufHeader } from '@crossgate/llm';
import { readSafetensorsHeader } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { folderWith, writeTinyModel } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { modelHash } from '../src/node/model-hash';

const models = process.env.CROSSGATE_MODELS;
const gguf = join(models ?? '', 'stories260K', 'stories260K.gguf');

/** Flips one bit of a file. */
async function damage(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, offset);
  await file.close();
}

describe('modelHash', () => {
  it('stays the same for a copy elsewhere with other files beside it', async () => {
    const root = await folderWith();
    await writeTinyModel(join(root, 'a'));
    await cp(join(root, 'a'), join(root, 'b'), { recursive: true });
    await writeFile(join(root, 'b', 'README.md'), 'notes');
    const hash = await modelHash(join(root, 'a'));
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await modelHash(join(root, 'b'))).toBe(hash);
  });

  it('changes with one bit of any tensor, of the header, and of each small file', async () => {
    const root = await folderWith();
    const folder = join(root, 'model');
    await writeTinyModel(folder);
    const weights = join(folder, 'model.safetensors');
    const source = await openFile(weights);
    const { tensors } = await readSafetensorsHeader(source);
    await source.close();
    const places: [string, number][] = [...tensors.values()].flatMap(({ begin, byteLength }): [string, number][] => [
      [weights, begin],
      [weights, begin + byteLength - 1],
    ]);
    for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) places.push([join(folder, name), 9]);
    const seen = new Set([await modelHash(folder)]);
    for (const [path, offset] of places) {
      await damage(path, offset);
      seen.add(await modelHash(folder));
    }
    expect(seen.size).toBe(1 + places.length);
  });

  it('changes with tokenizer.model where there is no tokenizer.json, and not otherwise', async () => {
    const folder = join(await folderWith(), 'model');
    await writeTinyModel(folder);
    const hash = await modelHash(folder);
    await writeFile(join(folder, 'tokenizer.model'), 'pieces');
    expect(await modelHash(folder)).toBe(hash);
    await rename(join(folder, 'tokenizer.json'), join(folder, 'x'));
    const seen = new Set([hash, await modelHash(folder)]);
    await damage(join(folder, 'tokenizer.model'), 2);
    seen.add(await modelHash(folder));
    expect(seen.size).toBe(3);
  });

  it('reads all parts of a GGUF model', async () => {
    const folder = await folderWith();
    // Two whole files serve: the hash reads headers and tensors alone.
    for (const [name, values] of [
      ['m-00001-of-00002.gguf', 1],
      ['m-00002-of-00002.gguf', 2],
    ] as const) {
      const header = Buffer.alloc(64);
      header.write('GGUF');
      header.writeUInt32LE(3, 4);
      header.writeBigUInt64LE(1n, 8);
      header.writeBigUInt64LE(1n, 24);
      header.write('w', 32);
      header.writeUInt32LE(1, 33);
      header.writeBigUInt64LE(8n, 37);
      await writeFile(join(folder, name), Buffer.concat([header, Buffer.alloc(32, values)]));
    }
    const hash = await modelHash(join(folder, 'm-00001-of-00002.gguf'));
    await damage(join(folder, 'm-00002-of-00002.gguf'), 70);
    expect(await modelHash(join(folder, 'm-00001-of-00002.gguf'))).not.toBe(hash);
  });

  it('reads the shards that the index names', async () => {
    const root = await folderWith();
    const folder = join(root, 'model');
    await writeTinyModel(folder);
    const whole = await modelHash(folder);
    await rename(join(folder, 'model.safetensors'), join(folder, 'one.safetensors'));
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { a: 'one.safetensors' } }),
    );
    const sharded = await modelHash(folder);
    expect(sharded).not.toBe(whole);
    await damage(join(folder, 'one.safetensors'), (await stat(join(folder, 'one.safetensors'))).size - 1);
    expect(await modelHash(folder)).not.toBe(sharded);
    await truncate(join(folder, 'one.safetensors'), 100);
    await expect(modelHash(folder)).rejects.toMatchObject({ name: 'InputError' });
  });

  it.skipIf(!existsSync(gguf))(
    'of a GGUF file changes with its metadata and its weights (CROSSGATE_MODELS)',
    async () => {
      const path = join(await folderWith(), 'copy.gguf');
      await writeFile(path, await readFile(gguf));
      const hash = await modelHash(gguf);
      expect(await modelHash(path)).toBe(hash);
      const source = await openFile(path);
      const { tensors } = await readGgufHeader(source);
      await source.close();
      const last = [...tensors.values()].reduce((a, b) => (a.begin > b.begin ? a : b));
      await damage(path, last.begin + last.byteLength - 1);
      const weights = await modelHash(path);
      // A letter of a token of the vocabulary.
      await damage(path, (await readFile(path)).indexOf('Once'));
      expect(new Set([hash, weights, await modelHash(path)]).size).toBe(3);
    },
  );
});
