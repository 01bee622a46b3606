/** Models on disk, for Node. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import type { LlamaConfig } from './config';
import { type GgufHeader, readGgufHeader } from './formats/gguf';
import { openGgufModel } from './formats/gguf-model';
import { tokenizerFilesFromGguf, tokenizerFromGguf } from './formats/gguf-tokenizer';
import { type ModelFolder, openHuggingFaceModel } from './formats/hugging-face';
import { tokenizerFromFolder } from './formats/hugging-face-tokenizer';
import type { WeightSource } from './formats/source';
import type { Tokenizer } from './tokenizer';

/** A model that was found and checked; its weights are still on disk. */
export interface OpenModel {
  readonly config: LlamaConfig;
  readonly source: WeightSource;
  /**
   * Builds the tokenizer on the first call. A model need not have one: weights alone serve for token ids.
   * @throws {InputError} when it is missing, malformed, not supported, or has ids beyond the model's vocabulary.
   */
  tokenizer(): Promise<Tokenizer>;
  /** Closes the model's files. */
  close(): Promise<void>;
}

/** A folder on disk. */
export function openFolder(path: string): ModelFolder {
  return { name: path, list: () => readdir(path), open: (file) => openFile(join(path, file)) };
}

/**
 * Opens a Hugging Face folder or a GGUF file. Reads headers only.
 * @throws {InputError} naming the file and what is wrong with it.
 */
export async function openModel(path: string): Promise<OpenModel> {
  if (await isFolder(path)) {
    const folder = openFolder(path);
    const source = await openHuggingFaceModel(folder);
    return opened(path, source, () => tokenizerFromFolder(folder, source.config));
  }
  const { source, header } = await openGgufModel(await openFile(path));
  return opened(path, source, async () => tokenizerFromGguf(header.metadata, path));
}

/**
 * Opens only the tokenizer of a folder or GGUF file; the weights may be of any kind, or absent.
 * @throws {InputError} naming the file and what is wrong with it.
 */
export async function openTokenizer(path: string): Promise<Tokenizer> {
  if (await isFolder(path)) return tokenizerFromFolder(openFolder(path));
  return tokenizerFromGguf(await ggufMetadata(path), path);
}

/**
 * The tokenizer of a GGUF file as files of a Hugging Face folder: name → content.
 * @throws {InputError} when the file has none, or one that is malformed or not supported.
 */
export async function ggufTokenizerFiles(path: string): Promise<Map<string, string>> {
  return tokenizerFilesFromGguf(await ggufMetadata(path), path);
}

async function ggufMetadata(path: string): Promise<GgufHeader['metadata']> {
  const file = await openFile(path);
  try {
    return (await readGgufHeader(file)).metadata;
  } finally {
    await file.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      throw new InputError(`${path}: there is no such model; give a Hugging Face folder or a .gguf file.`);
    }
    throw error;
  });
  return status.isDirectory();
}

function opened(path: string, source: WeightSource, build: () => Promise<Tokenizer>): OpenModel {
  const { config } = source;
  let tokenizer: Promise<Tokenizer> | undefined;
  return {
    config,
    source,
    tokenizer: () => {
      tokenizer ??= build().then((built) => {
        if (built.vocabSize <= config.vocabSize) return built;
        throw new InputError(
          `${path}: the tokenizer has ${built.vocabSize} tokens, but the model only ${config.vocabSize}.`,
        );
      });
      return tokenizer;
    },
    close: () => source.close(),
  };
}
