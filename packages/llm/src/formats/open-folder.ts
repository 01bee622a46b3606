/** Opens the model of a folder, wherever that is: its configuration, its weights and its tokenizer. */
import { type ByteSource, InputError } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import type { Tokenizer } from '../tokenizer';
import { ggufParts, openGgufModel } from './gguf-model';
import { tokenizerFromGguf } from './gguf-tokenizer';
import { type ModelFolder, openHuggingFaceModel } from './hugging-face';
import { tokenizerFromFolder } from './hugging-face-tokenizer';
import type { WeightSource } from './source';

/** A model that was found and checked. Its weights are still where they were. */
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

/**
 * Opens a Hugging Face folder, or one with a GGUF model (one file, or its parts). Only headers are read.
 *
 * @throws {InputError} naming the file and what is wrong with it, and for a folder without a model or with several.
 */
export async function openModelFolder(folder: ModelFolder): Promise<OpenModel> {
  const names = await folder.list();
  const ggufs = ggufModels(names);
  if (names.includes('config.json') || ggufs.length === 0) {
    const source = await openHuggingFaceModel(folder);
    return openedModel(source, () => tokenizerFromFolder(folder));
  }
  if (ggufs.length > 1) {
    throw new InputError(`holds several models: ${ggufs.join(', ')}`, {
      code: 'model.ambiguous',
      place: folder.name,
      fix: 'give one of them alone.',
    });
  }
  return openGgufParts(ggufParts(ggufs[0]!), (file) => folder.open(file), `${folder.name}/${ggufs[0]}`);
}

/** The GGUF models among files: of one in parts, the first part. */
export function ggufModels(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith('.gguf') && ggufParts(name)[0] === name).sort();
}

/**
 * Opens the parts of a GGUF model.
 *
 * @param place of the model in messages
 * @throws {InputError} naming the first part that is missing, and as `openGgufModel`
 */
export async function openGgufParts(
  parts: readonly string[],
  open: (part: string) => Promise<ByteSource>,
  place: string,
): Promise<OpenModel> {
  const files: ByteSource[] = [];
  try {
    for (const part of parts) files.push(await open(part));
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    if (!(error instanceof InputError) || parts.length === 1) throw error;
    throw new InputError(`${error.message.replace(/\.$/, '')}; the model lies in ${parts.length} parts.`, {
      code: 'model.unsupported',
    });
  }
  const [first, ...more] = files;
  const { source, header } = await openGgufModel(first!, more);
  return openedModel(source, async () => tokenizerFromGguf(header.metadata, place, source.config.vocabSize));
}

/** A model with the tokenizer that is built once. */
export function openedModel(source: WeightSource, build: () => Promise<Tokenizer>): OpenModel {
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
