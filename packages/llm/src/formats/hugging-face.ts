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
import { type ForeignQuantization, foreignQuantization, refuseQuantized } from '../quantization';
import { storedTypes } from './dequantize';
import { renamed, renamingOf } from './names';
import { bitsOfWeight, quantizedType } from './quantize';
import { findPickle, orDescribed, pickleAdvice } from './recognize';
import { checkWeights, readRows, type StoredWeight, type WeightSource, weightSource } from './source';

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

interface FolderConfig {
  readonly config: LlamaConfig;
  /** What config.json says of weights that another program quantized. */
  readonly quantization: ForeignQuantization | undefined;
  readonly warnings: string[];
}

/**
 * Reads a folder's config.json, and the end-of-text ids that generation_config.json may add.
 *
 * @throws {InputError} when it is missing or malformed, or describes a model that is not supported, such as one that
 * another program quantized.
 */
export async function readConfig(folder: ModelFolder): Promise<LlamaConfig> {
  const { config, quantization } = await readFolderConfig(folder);
  if (quantization) refuseQuantized(quantization, `${folder.name}/config.json`);
  return config;
}

async function readFolderConfig(folder: ModelFolder): Promise<FolderConfig> {
  const files = await folder.list();
  if (!files.includes('config.json')) {
    throw new InputError('there is no config.json', {
      code: 'model.not-found',
      place: folder.name,
      fix: 'give a Hugging Face model folder or a .gguf file.',
    });
  }
  const source = `${folder.name}/config.json`;
  const json = await readJson(folder, 'config.json');
  const warnings: string[] = [];
  const config = configFromHuggingFace(json, source, (warning) => warnings.push(warning));
  const quantization = foreignQuantization(json, source);
  if (!files.includes('generation_config.json')) return { config, quantization, warnings };
  const generation = await readJson(folder, 'generation_config.json');
  const more = (generation as { eos_token_id?: unknown } | null)?.eos_token_id;
  const ids = (Array.isArray(more) ? more : [more]).filter(
    (id): id is number => Number.isInteger(id) && id >= 0 && id < config.vocabSize,
  );
  const eosTokenIds = [...new Set([...config.eosTokenIds, ...ids])];
  return { config: { ...config, eosTokenIds }, quantization, warnings };
}

/** Tensors in old files that no computation needs. */
const derived = /(^|\.)rotary_emb\.inv_freq$|(^|\.)self_attn\.(masked_)?bias$/;

const [embeddings, head] = ['model.embed_tokens.weight', 'lm_head.weight'];

/** A tensor under the name that it is read by, in the file that has it. */
interface PlacedTensor extends SafetensorsTensor {
  readonly file: ByteSource;
}

/**
 * Opens a model folder. Reads headers only, and the values of embeddings and head if the configuration ties them and
 * the files have both.
 *
 * @throws {InputError} for missing or damaged files, unsupported architectures and types, and tensors that do not fit
 * the configuration.
 */
export async function openHuggingFaceModel(folder: ModelFolder): Promise<WeightSource> {
  const { config: declared, quantization, warnings } = await readFolderConfig(folder);
  const files: ByteSource[] = [];
  try {
    const wanted = new Set(expectedTensors({ ...declared, tieWordEmbeddings: false }).keys());
    const tensors = placedTensors(await openShards(folder, files), declared, wanted, folder.name, warnings);
    if (quantization) checkPlain(quantization, tensors, wanted, folder.name, warnings);
    const config = await tiedAsStored(declared, tensors, folder.name, warnings);
    const expected = expectedTensors(config);
    const weights = new Map<string, StoredWeight>();
    for (const tensor of tensors) {
      if (expected.has(tensor.name) || tensor.name !== head) addWeight(weights, tensor.file, tensor, expected);
    }
    checkWeights(config, weights, folder.name);
    return weightSource(config, weights, files, warnings);
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

/**
 * What the shards hold, without what no computation needs: tables that follow from the configuration, and empty
 * tensors.
 */
function placedTensors(
  shards: readonly Shard[],
  declared: LlamaConfig,
  wanted: ReadonlySet<string>,
  source: string,
  warnings: string[],
): PlacedTensor[] {
  const needed = expectedTensors(declared);
  const stored = shards.flatMap(({ file, tensors }) =>
    tensors.filter(({ name }) => !derived.test(name)).map((tensor) => ({ ...tensor, file })),
  );
  const filled = (tensors: readonly PlacedTensor[]) =>
    tensors.filter(({ name, shape }) => needed.has(name) || !shape.includes(0));
  const renaming = renamingOf(
    stored.map(({ name }) => name),
    wanted,
  );
  if (!renaming) return filled(stored);
  const tensors = filled(stored.map((tensor) => ({ ...tensor, name: renamed(tensor.name, renaming, wanted) })));
  // What is renamed in part only is another model, and its own names say which.
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size !== tensors.length || ![...names].every((name) => wanted.has(name))) return filled(stored);
  const example = stored.find(({ name }) => !wanted.has(name))!.name;
  const read = renamed(example, renaming, wanted);
  warnings.push(`${source}: ${quoted(example)} is read as ${read}, and so are all others named so.`);
  return tensors;
}

/**
 * Weights that are floats under their own names were not quantized, whatever config.json says.
 *
 * @throws InputError for others
 */
function checkPlain(
  quantization: ForeignQuantization,
  tensors: readonly PlacedTensor[],
  wanted: ReadonlySet<string>,
  source: string,
  warnings: string[],
): void {
  const other = tensors.find(({ name, dtype }) => !isFloatDtype(dtype) || !wanted.has(name));
  const { key, method } = quantization;
  if (other) refuseQuantized(quantization, `${source}/config.json`, `tensor ${quoted(other.name)} (${other.dtype})`);
  warnings.push(
    `${source}: ${key} of config.json says that the weights are quantized, method ${method}, but they are plain floats and are read ` +
      `as such; other programs may quantize them when they load them; remove ${key} if it is left over.`,
  );
}

/**
 * Whether the head shares the embeddings, by what the files have: where the configuration ties them and there is
 * another head, it is used, as transformers 5 does; where there is a head alone, it is the embeddings too.
 */
async function tiedAsStored(
  config: LlamaConfig,
  tensors: PlacedTensor[],
  source: string,
  warnings: string[],
): Promise<LlamaConfig> {
  if (!config.tieWordEmbeddings) return config;
  const [first, last] = [embeddings, head].map((name) => tensors.findIndex((tensor) => tensor.name === name));
  if (last! < 0) return config;
  if (first! < 0) {
    tensors[last!] = { ...tensors[last!]!, name: embeddings };
    return config;
  }
  if (await sameValues(tensors[first!]!, tensors[last!]!, config)) return config;
  warnings.push(
    `${source}: config.json has tie_word_embeddings: true, but ${head} differs from ${embeddings}; the head of the file is used, ` +
      'and the model is read as one with tie_word_embeddings: false.',
  );
  return { ...config, tieWordEmbeddings: false };
}

async function sameValues(a: PlacedTensor, b: PlacedTensor, config: LlamaConfig): Promise<boolean> {
  const expected = expectedTensors({ ...config, tieWordEmbeddings: false });
  const [x, y] = [a, b].map((tensor) => storedWeight(tensor.file, tensor, expected));
  if (x!.shape.join() !== y!.shape.join()) return false;
  const others = readRows(y!);
  for await (const { data } of readRows(x!)) {
    const { value } = await others.next();
    if (!value || !sameBits(data, value.data)) return false;
  }
  return true;
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  const [x, y] = [a, b].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  return x!.length === y!.length && x!.every((bits, i) => bits === y![i]);
}

function addWeight(
  weights: Map<string, StoredWeight>,
  file: ByteSource,
  tensor: SafetensorsTensor,
  expected: ReadonlyMap<string, readonly number[]>,
): void {
  if (weights.has(tensor.name))
    throw new InputError(`tensor ${quoted(tensor.name)} is in another shard too.`, {
      code: 'model.damaged',
      place: file.name,
    });
  weights.set(tensor.name, storedWeight(file, tensor, expected));
}

/** How a tensor is read. @throws {InputError} naming the tensor and its type where it cannot be */
function storedWeight(
  file: ByteSource,
  { name, dtype, shape, begin }: SafetensorsTensor,
  expected: ReadonlyMap<string, readonly number[]>,
): StoredWeight {
  if (dtype === 'U8') return { ...blocksOf(file, name, shape, expected.get(name) ?? []), file, begin };
  const type = isFloatDtype(dtype) ? storedTypes.get(dtype) : undefined;
  if (!type) {
    throw new InputError(
      `tensor ${quoted(name)} is stored as ${dtype}, which is not supported; supported: F32, F16, BF16.`,
      { code: 'model.unsupported', place: file.name },
    );
  }
  return { shape, type, file, begin };
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
