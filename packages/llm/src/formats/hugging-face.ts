/** Opens the weights of a model folder in Hugging Face's layout: config.json and safetensors, whole or in shards. */
import {
  type ByteSource,
  InputError,
  isFloatDtype,
  memorySource,
  quoted,
  readSafetensorsHeader,
  readText,
  type SafetensorsTensor,
} from '@crossgate/tensor';
import { configFromHuggingFace, expectedTensors, type LlamaConfig } from '../config';
import { storedTypes } from './dequantize';
import { bitsOfWeight, quantizedType } from './quantize';
import { findPickle, orDescribed, pickleAdvice } from './recognize';
import { checkWeights, type StoredWeight, type WeightSource, weightSource } from './source';

/** A folder of files, wherever it is: on disk, in a browser's file system, in memory. */
export interface ModelFolder {
  /** Its name in messages, usually the path. */
  readonly name: string;
  /** Names of the files directly inside it. */
  list(): Promise<readonly string[]>;
  /** Opens a file by its name. @throws {InputError} when there is no such file. */
  open(file: string): Promise<ByteSource>;
}

/** A folder in memory: file name → bytes. */
export function memoryFolder(name: string, files: ReadonlyMap<string, Uint8Array>): ModelFolder {
  return {
    name,
    list: async () => [...files.keys()],
    async open(file) {
      const bytes = files.get(file);
      if (!bytes)
        throw new InputError('there is no such file.', { code: 'model.missing-file', place: `${name}/${file}` });
      return memorySource(`${name}/${file}`, bytes);
    },
  };
}

/** Configuration files take a few kilobytes, shard indices of the largest models a few megabytes. */
const maxJsonBytes = 64 * 1024 * 1024;

/**
 * Reads and parses one JSON file of a folder.
 *
 * @param maxBytes longest file that is read. Default 64 MiB.
 * @throws {InputError} when it is missing, too long or not JSON.
 */
export async function readJson(folder: ModelFolder, file: string, maxBytes = maxJsonBytes): Promise<unknown> {
  const source = await folder.open(file);
  try {
    return await orDescribed(source, async () => {
      const text = await readText(source, maxBytes);
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new InputError(`${source.name} is not JSON: ${(error as Error).message}`, { code: 'model.damaged' });
      }
    });
  } finally {
    await source.close();
  }
}

/**
 * Reads a folder's config.json, and the end-of-text ids that generation_config.json may add.
 *
 * @throws {InputError} when it is missing or malformed, or describes a model that is not supported.
 */
export async function readConfig(folder: ModelFolder): Promise<LlamaConfig> {
  const files = await folder.list();
  if (!files.includes('config.json')) {
    throw new InputError('there is no config.json', {
      code: 'model.not-found',
      place: folder.name,
      fix: 'give a Hugging Face model folder or a .gguf file.',
    });
  }
  const config = configFromHuggingFace(await readJson(folder, 'config.json'), `${folder.name}/config.json`);
  if (!files.includes('generation_config.json')) return config;
  const generation = await readJson(folder, 'generation_config.json');
  const more = (generation as { eos_token_id?: unknown } | null)?.eos_token_id;
  const ids = (Array.isArray(more) ? more : [more]).filter(
    (id): id is number => Number.isInteger(id) && id >= 0 && id < config.vocabSize,
  );
  return { ...config, eosTokenIds: [...new Set([...config.eosTokenIds, ...ids])] };
}

/** Tensors in old files that no computation needs. */
const derived = /(^|\.)rotary_emb\.inv_freq$|(^|\.)self_attn\.(masked_)?bias$/;

/**
 * Opens a model folder. Only headers are read.
 *
 * @throws {InputError} for missing or damaged files, unsupported architectures and types, and tensors that do not fit
 * the configuration.
 */
export async function openHuggingFaceModel(folder: ModelFolder): Promise<WeightSource> {
  const config = await readConfig(folder);
  const files: ByteSource[] = [];
  try {
    const weights = new Map<string, StoredWeight>();
    const expected = expectedTensors(config);
    const ignored = (name: string) => derived.test(name) || (config.tieWordEmbeddings && name === 'lm_head.weight');
    for (const { file, tensors } of await openShards(folder, files)) {
      for (const tensor of tensors) addWeight(weights, file, tensor, expected, ignored);
    }
    checkWeights(config, weights, folder.name, ignored);
    return weightSource(config, weights, files);
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

function addWeight(
  weights: Map<string, StoredWeight>,
  file: ByteSource,
  { name, dtype, shape, begin }: SafetensorsTensor,
  expected: ReadonlyMap<string, readonly number[]>,
  ignored: (name: string) => boolean,
): void {
  if (ignored(name)) return;
  if (weights.has(name))
    throw new InputError(`tensor ${quoted(name)} is in another shard too.`, {
      code: 'model.damaged',
      place: file.name,
    });
  if (dtype === 'U8') {
    weights.set(name, { ...blocksOf(file, name, shape, expected.get(name) ?? []), file, begin });
    return;
  }
  const type = isFloatDtype(dtype) ? storedTypes.get(dtype) : undefined;
  if (!type) {
    throw new InputError(
      `tensor ${quoted(name)} is stored as ${dtype}, which is not supported; supported: F32, F16, BF16.`,
      { code: 'model.unsupported', place: file.name },
    );
  }
  weights.set(name, { shape, type, file, begin });
}

/** A matrix that `encodeWeights` quantized: the width of its rows in bytes says to how many bits. */
function blocksOf(file: ByteSource, name: string, stored: readonly number[], shape: readonly number[]) {
  const [rows, columns = 0] = shape;
  for (const bits of [8, 4] as const) {
    const type = quantizedType(bits);
    const rowBytes = Math.ceil(columns / type.blockSize) * type.blockBytes;
    if (bitsOfWeight(name, bits) === bits && stored.length === 2 && stored[0] === rows && stored[1] === rowBytes)
      return { shape, type };
  }
  throw new InputError(
    `tensor ${quoted(name)} of U8 with shape [${stored.slice(0, 8)}] is no layer of [${shape}] in blocks of 8 or 4 bits.`,
    { code: 'model.unsupported', place: file.name },
  );
}

interface Shard {
  readonly file: ByteSource;
  readonly tensors: readonly SafetensorsTensor[];
}

/**
 * Opens every weight file of a folder. Each is added to `files` at once, so that the caller can close it on failure.
 */
async function openShards(folder: ModelFolder, files: ByteSource[]): Promise<Shard[]> {
  const shards: Shard[] = [];
  for (const [name, listed] of await weightFiles(folder)) {
    const file = await folder.open(name);
    files.push(file);
    const header = await orDescribed(file, () => readSafetensorsHeader(file));
    for (const tensor of listed) {
      if (!header.tensors.has(tensor))
        throw new InputError(`tensor ${quoted(tensor)} is missing; ${indexName} puts it there.`, {
          code: 'model.missing-file',
          place: file.name,
        });
    }
    shards.push({ file, tensors: [...header.tensors.values()] });
  }
  return shards;
}

const indexName = 'model.safetensors.index.json';

/** Number of a shard, and number of all shards. */
const shardName = /^model-(\d{5})-of-(\d{5})\.safetensors$/;

/**
 * The weight files of a folder, each with the tensors that an index puts into it (an empty list without an index):
 * model.safetensors; else the shards of the index; else the shards that belong together by their names.
 *
 * @throws {InputError} when there are none, when one is missing, and for a damaged index.
 */
export async function weightFiles(folder: ModelFolder): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = await folder.list();
  if (names.includes('model.safetensors')) return new Map([['model.safetensors', []]]);
  const indexed = names.includes(indexName);
  const wanted = indexed ? await shardsByIndex(folder, indexName) : shardsByName(names);
  if (wanted.size === 0) return refuse(folder, names);
  const missing = [...wanted.keys()].find((name) => !names.includes(name));
  if (missing !== undefined) {
    const why = indexed ? `${indexName} names it` : `the shards beside it say that there are ${wanted.size}`;
    throw new InputError(`the file is missing; ${why}.`, {
      code: 'model.missing-file',
      place: `${folder.name}/${missing}`,
    });
  }
  return wanted;
}

function shardsByName(names: readonly string[]): Map<string, string[]> {
  const count = names.map((name) => shardName.exec(name)?.[2]).find((found) => found !== undefined);
  const ordinals = Array.from({ length: Number(count ?? 0) }, (_, index) => String(index + 1).padStart(5, '0'));
  return new Map(ordinals.map((ordinal) => [`model-${ordinal}-of-${count}.safetensors`, []]));
}

/**
 * Reads a shard index: shard file → the tensors that the index puts into it.
 *
 * @throws {InputError} when it is damaged, or names anything but safetensors files of its own folder.
 */
export async function shardsByIndex(folder: ModelFolder, indexName: string): Promise<Map<string, string[]>> {
  const index = (await readJson(folder, indexName)) as { weight_map?: unknown } | null;
  const map = index?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new InputError('weight_map is missing or no object.', {
      code: 'model.damaged',
      place: `${folder.name}/${indexName}`,
    });
  }
  const shards = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(map)) {
    // Only plain names inside the folder: an index must not reach elsewhere on the disk.
    if (typeof file !== 'string' || !/^[\w][\w.-]*\.safetensors$/.test(file)) {
      throw new InputError(
        `tensor ${quoted(tensor)} is put into ${quoted(String(file))}, no safetensors file of the folder.`,
        { code: 'model.damaged', place: `${folder.name}/${indexName}` },
      );
    }
    const tensors = shards.get(file) ?? [];
    tensors.push(tensor);
    shards.set(file, tensors);
  }
  return shards;
}

function refuse(folder: ModelFolder, names: readonly string[]): never {
  const pickle = findPickle(names);
  if (pickle) throw new InputError(`${pickle} is ${pickleAdvice()}`, { code: 'model.unsupported', place: folder.name });
  throw new InputError('there is neither model.safetensors nor model.safetensors.index.json.', {
    code: 'model.missing-file',
    place: folder.name,
  });
}
