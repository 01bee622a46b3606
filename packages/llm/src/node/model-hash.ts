/** A hash that tells language models apart. It takes seconds even for large ones. */
import { createHash, type Hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kindOf } from '@crossgate/files';
import { type ByteSource, readSafetensorsHeader } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { readGgufHeader } from '../formats/gguf';
import { ggufParts } from '../formats/gguf-model';
import { weightFiles } from '../formats/hugging-face';
import { openFolder } from './open-model';

/** Number of bytes of a tensor that are read at its beginning, and again at its end. */
const SAMPLE_BYTES = 65_536;

/** Files of a model folder, besides the weights, that change the results. They are hashed as a whole. */
const SMALL_FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];

/** Files of the tokenizer when there is no tokenizer.json. */
const PIECES = ['tokenizer.model', 'added_tokens.json'];

/**
 * SHA-256 of a model. It does not depend on where the model is stored. It covers
 *
 * - of a Hugging Face folder: config.json, tokenizer.json (else tokenizer.model and added_tokens.json) and
 *   tokenizer_config.json, as a whole;
 * - of every weight file (safetensors in the order of their names, or the GGUF file or its parts): its size, its whole
 *   header (which in GGUF has the configuration and the tokenizer), and the first and last 64 KiB of every tensor.
 *
 * A change that is only in the middle of a tensor of more than 128 KiB is not noticed. Training changes every row, and
 * reading all of a 7B model would take longer than opening it.
 *
 * @param path a folder or a GGUF file that `openModel` has accepted
 * @returns 64 hexadecimal digits
 * @throws InputError when a file is missing or damaged
 */
export async function modelHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  if ((await kindOf(path)) !== 'folder') {
    for (const part of ggufParts(path)) {
      await addWeights(hash, part, async (file) => (await readGgufHeader(file)).tensors.values());
    }
    return hash.digest('hex');
  }
  const names = await readdir(path);
  const pieces = names.includes('tokenizer.json') ? [] : PIECES;
  for (const name of [...SMALL_FILES, ...pieces].filter((file) => names.includes(file))) {
    addBytes(hash, name, await readFile(join(path, name)));
  }
  for (const name of [...(await weightFiles(openFolder(path))).keys()].sort()) {
    hash.update(`${name}\n`);
    await addWeights(hash, join(path, name), async (file) => (await readSafetensorsHeader(file)).tensors.values());
  }
  return hash.digest('hex');
}

/** Adds bytes with their length, so that different lists of files never give the same stream. */
function addBytes(hash: Hash, name: string, bytes: Uint8Array): void {
  hash.update(`${name} ${bytes.length}\n`).update(bytes);
}

interface Extent {
  readonly begin: number;
  readonly byteLength: number;
}

async function addWeights(
  hash: Hash,
  path: string,
  readTensors: (file: ByteSource) => Promise<Iterable<Extent>>,
): Promise<void> {
  const file = await openFile(path);
  try {
    const tensors = [...(await readTensors(file))].sort((a, b) => a.begin - b.begin);
    hash.update(`${file.size}\n`);
    addBytes(hash, 'header', await file.read(0, tensors[0]?.begin ?? file.size));
    for (const { begin, byteLength } of tensors) {
      const head = Math.min(SAMPLE_BYTES, byteLength);
      hash.update(await file.read(begin, head));
      const tail = Math.min(SAMPLE_BYTES, byteLength - head);
      hash.update(await file.read(begin + byteLength - tail, tail));
    }
  } finally {
    await file.close();
  }
}
