/** A hash that tells language models apart. It takes seconds even for large ones. */
import { createHash } from 'node:crypto';
import { kindOf } from '@crossgate/files';
import { openFile } from '@crossgate/tensor/node';
import { ggufParts } from '../formats/gguf-model';
import { ggufBytes, huggingFaceBytes } from '../formats/model-hash';
import { openFolder } from './open-model';

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
  const isFolder = (await kindOf(path)) === 'folder';
  const hash = createHash('sha256');
  for await (const bytes of isFolder ? huggingFaceBytes(openFolder(path)) : ggufBytes(ggufParts(path), openFile)) {
    hash.update(bytes);
  }
  return hash.digest('hex');
}
