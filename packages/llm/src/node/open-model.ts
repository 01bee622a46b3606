/** Models on disk, for Node. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ByteSource, InputError } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import type { LlamaConfig } from '../config';
import { type GgufHeader, readGgufHeader } from '../formats/gguf';
import { ggufParts, openGgufModel } from '../formats/gguf-model';
import { tokenizerFilesFromGguf, tokenizerFromGguf } from '../formats/gguf-tokenizer';
import { type ModelFolder, openHuggingFaceModel, weightFiles } from '../formats/hugging-face';
import { tokenizerFromFolder } from '../formats/hugging-face-tokenizer';
import type { WeightSource } from '../formats/source';
import type { Tokenizer } from '../tokenizer';
import { findModel, isFolder } from './model-path';

/** A model that was found and checked. Its weights are still on disk. */
export interface OpenModel {
  /** The shape of the model. */
  readonly config: LlamaConfig;
  /** Its weights, read when they are asked for. */
  readonly source: WeightSource;
  /**
   * Builds the tokenizer on the first call. A model need not have one: weights alone serve for token ids.
   * @throws {InputError} when it is missing, malformed, not supported, or has more pieces than the model has rows.
   */
  tokenizer(): Promise<Tokenizer>;
  /** Closes the model's files. */
  close(): Promise<void>;
}

/** A folder on disk, as the readers of models take it. */
export function openFolder(path: string): ModelFolder {
  return { name: path, list: () => readdir(path), open: (file) => openFile(join(path, file)) };
}

/**
 * Opens a Hugging Face folder or a GGUF model (one file, or any of its parts). Only headers are read.
 *
 * @param path as {@link findModel} takes it
 * @throws {InputError} naming the file and what is wrong with it.
 */
export async function openModel(path: string): Promise<OpenModel> {
  const found = await findModel(path);
  if (await isFolder(found)) {
    const folder = openFolder(found);
    const source = await openHuggingFaceModel(folder);
    return opened(source, () => tokenizerFromFolder(folder));
  }
  const [first, ...more] = await openParts(ggufParts(found));
  const { source, header } = await openGgufModel(first!, more);
  return opened(source, async () => tokenizerFromGguf(header.metadata, path, source.config.vocabSize));
}

/**
 * Paths of the files with a model's weights.
 *
 * @param path as {@link findModel} takes it
 * @throws InputError when there are none
 */
export async function modelFiles(path: string): Promise<string[]> {
  const found = await findModel(path);
  if (!(await isFolder(found))) return [...ggufParts(found)];
  return [...(await weightFiles(openFolder(found))).keys()].map((name) => join(found, name));
}

/** Opens the parts of a model. @throws {InputError} naming the first that is missing */
async function openParts(paths: readonly string[]): Promise<ByteSource[]> {
  const files: ByteSource[] = [];
  try {
    for (const path of paths) files.push(await openFile(path));
    return files;
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    if (!(error instanceof InputError) || paths.length === 1) throw error;
    throw new InputError(`${error.message.replace(/\.$/, '')}; the model lies in ${paths.length} parts.`, {
      code: 'model.unsupported',
    });
  }
}

/**
 * Opens only the tokenizer of a folder or GGUF file. The weights may be of any kind, or absent.
 *
 * @throws {InputError} naming the file and what is wrong with it.
 */
export async function openTokenizer(path: string): Promise<Tokenizer> {
  if (await isFolder(path)) {
    const names = await readdir(path);
    if (names.includes('tokenizer.json')) return tokenizerFromFolder(openFolder(path));
  }
  const found = await findModel(path);
  if (await isFolder(found)) return tokenizerFromFolder(openFolder(found));
  return tokenizerFromGguf(await ggufMetadata(found), path);
}

/**
 * The tokenizer of a GGUF file, as files of a Hugging Face folder: name → content.
 *
 * @throws {InputError} when the file has none, or one that is malformed or not supported.
 */
export async function ggufTokenizerFiles(path: string): Promise<Map<string, string>> {
  return tokenizerFilesFromGguf(await ggufMetadata(await findModel(path)), path);
}

async function ggufMetadata(path: string): Promise<GgufHeader['metadata']> {
  const file = await openFile(path);
  try {
    return (await readGgufHeader(file)).metadata;
  } finally {
    await file.close();
  }
}

function opened(source: WeightSource, build: () => Promise<Tokenizer>): OpenModel {
  const { config } = source;
  let tokenizer: Promise<Tokenizer> | undefined;
  return {
    config,
    source,
    tokenizer: () => {
      tokenizer ??= build();
      return tokenizer;
    },
    close: () => source.close(),
  };
}
