/** Models on disk, for Node. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openFile } from '@crossgate/tensor/node';
import { type GgufHeader, readGgufHeader } from '../formats/gguf';
import { ggufParts } from '../formats/gguf-model';
import { tokenizerFilesFromGguf, tokenizerFromGguf } from '../formats/gguf-tokenizer';
import { type ModelFolder, openHuggingFaceModel, weightFiles } from '../formats/hugging-face';
import { tokenizerFromFolder } from '../formats/hugging-face-tokenizer';
import { type OpenModel, openedModel, openGgufParts } from '../formats/open-folder';
import type { Tokenizer } from '../tokenizer';
import { findModel, isFolder } from './model-path';

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
  if (!(await isFolder(found))) return openGgufParts(ggufParts(found), openFile, path);
  const folder = openFolder(found);
  return openedModel(await openHuggingFaceModel(folder), () => tokenizerFromFolder(folder));
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
