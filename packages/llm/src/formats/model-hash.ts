/** What tells language models apart: the bytes that a hash of one covers, and the hash where no program is at hand. */
import { sha256 } from '@crossgate/core';
import { type ByteSource, readSafetensorsHeader } from '@crossgate/tensor';
import { readGgufHeader } from './gguf';
import { ggufParts } from './gguf-model';
import { type ModelFolder, weightFiles } from './hugging-face';
import { ggufModels } from './open-folder';

/** Number of bytes of a tensor that are read at its beginning, and again at its end. */
const SAMPLE_BYTES = 65_536;

/** Files of a model folder, besides the weights, that change the results. They are hashed as a whole. */
const SMALL_FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];

/** Files of the tokenizer when there is no tokenizer.json. */
const PIECES = ['tokenizer.model', 'added_tokens.json'];

const text = new TextEncoder();

/** The bytes that the hash of a Hugging Face folder covers, in order. @throws InputError when a file is missing or damaged */
export async function* huggingFaceBytes(folder: ModelFolder): AsyncGenerator<Uint8Array> {
  const names = await folder.list();
  const pieces = names.includes('tokenizer.json') ? [] : PIECES;
  for (const name of [...SMALL_FILES, ...pieces].filter((file) => names.includes(file))) {
    const file = await folder.open(name);
    yield* framed(name, await file.read(0, file.size).finally(() => file.close()));
  }
  for (const name of [...(await weightFiles(folder)).keys()].sort()) {
    yield text.encode(`${name}\n`);
    yield* weightBytes(await folder.open(name), async (file) => (await readSafetensorsHeader(file)).tensors.values());
  }
}

/** The bytes that the hash of a GGUF model covers, in order. @throws InputError when a part is missing or damaged */
export async function* ggufBytes(
  parts: readonly string[],
  open: (part: string) => Promise<ByteSource>,
): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    yield* weightBytes(await open(part), async (file) => (await readGgufHeader(file)).tensors.values());
  }
}

/** Bytes with their length, so that different lists of files never give the same stream. */
function* framed(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield text.encode(`${name} ${bytes.length}\n`);
  yield bytes;
}

interface Extent {
  readonly begin: number;
  readonly byteLength: number;
}

async function* weightBytes(
  file: ByteSource,
  readTensors: (file: ByteSource) => Promise<Iterable<Extent>>,
): AsyncGenerator<Uint8Array> {
  try {
    const tensors = [...(await readTensors(file))].sort((a, b) => a.begin - b.begin);
    yield text.encode(`${file.size}\n`);
    yield* framed('header', await file.read(0, tensors[0]?.begin ?? file.size));
    for (const { begin, byteLength } of tensors) {
      const head = Math.min(SAMPLE_BYTES, byteLength);
      yield await file.read(begin, head);
      const tail = Math.min(SAMPLE_BYTES, byteLength - head);
      yield await file.read(begin + byteLength - tail, tail);
    }
  } finally {
    await file.close();
  }
}

/**
 * The hash of the model of a folder, wherever that is: the same as `modelHash` of `@crossgate/llm/node` gives for it on
 * disk. Browsers need a secure context for it, as for WebGPU.
 *
 * @param folder that `openModelFolder` has accepted
 * @returns 64 hexadecimal digits
 * @throws InputError when a file is missing or damaged
 */
export async function modelFolderHash(folder: ModelFolder): Promise<string> {
  const names = await folder.list();
  const [gguf] = names.includes('config.json') ? [] : ggufModels(names);
  return sha256(gguf ? ggufBytes(ggufParts(gguf), (part) => folder.open(part)) : huggingFaceBytes(folder));
}
