/** Writes a language model as a Hugging Face folder: weights, configuration, and the tokenizer beside them. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, type Log, type Progress, throwIfInterrupted } from '@crossgate/core';
import { type FileContent, kindOf, writeFolder } from '@crossgate/files';
import type { FloatDtype } from '@crossgate/tensor';
import type { QuantizedBits } from '../formats/quantize';
import type { WeightSource } from '../formats/source';
import { encodeWeights, huggingFaceConfig } from '../model/merge';
import { ggufTokenizerFiles } from './open-model';

/** Files beside the weights of a Hugging Face model that do not change with them. */
const COMPANIONS = [
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'generation_config.json',
];

/** What {@link writeModelFolder} writes. */
export interface ModelFolderSettings {
  /** Folder or GGUF file that the tokenizer comes from. */
  readonly base: string;
  /** Absolute path of the new folder. */
  readonly out: string;
  /** Type that vectors are stored in, and matrices unless `bits` is given. */
  readonly dtype: FloatDtype;
  /** Bits per value of the linear layers; embeddings and head then get 8. Undefined: they are stored as `dtype`. */
  readonly bits?: QuantizedBits;
  /** Label of the progress bar. */
  readonly label: string;
}

/**
 * Writes a model. The folder appears only once it is complete. If a GGUF file has no tokenizer that can be read, the
 * folder gets none, and the log warns.
 *
 * @returns the names of its files
 * @throws InputError from the source, for a folder that is in use, and for a configuration that config.json cannot
 * express
 */
export async function writeModelFolder(
  source: WeightSource,
  { base, out, dtype, bits, label }: ModelFolderSettings,
  {
    log,
    progress,
    signal,
  }: {
    /** Gets a warning when the folder has no tokenizer. */
    readonly log: Log;
    /** Shows how many values are written. */
    readonly progress: Progress;
    /** Aborting it ends the writing; no folder appears. */
    readonly signal: AbortSignal;
  },
): Promise<string[]> {
  const total = [...source.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const task = progress.start(label, total, 'values');
  let done = 0;
  const advance = (values: number) => {
    throwIfInterrupted(signal);
    done += values;
    task.update(done);
  };
  const content = new Map<string, FileContent>([['model.safetensors', encodeWeights(source, dtype, advance, bits)]]);
  const isFolder = (await kindOf(base)) === 'folder';
  for (const name of isFolder ? COMPANIONS : []) {
    const path = join(base, name);
    if ((await kindOf(path)) === 'file') content.set(name, new Uint8Array(await readFile(path)));
  }
  if (!isFolder) for (const [name, text] of await ggufTokenizer(base, out, log)) content.set(name, text);
  content.set('config.json', `${JSON.stringify(huggingFaceConfig(source.config, dtype, bits), null, 2)}\n`);
  await writeFolder(out, content);
  task.finish();
  return [...content.keys()];
}

/** The tokenizer of a GGUF file, as files; none, and a warning, if it cannot be read. */
async function ggufTokenizer(base: string, out: string, log: Log): Promise<Map<string, string>> {
  try {
    return await ggufTokenizerFiles(base);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    log.warn(`${out} gets no tokenizer, copy tokenizer.json of the original model there: ${error.message}`);
    return new Map();
  }
}
