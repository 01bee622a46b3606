/** Opens the weights of a LLaMA model stored as GGUF. */
import { type ByteSource, InputError, quoted } from '@crossgate/tensor';
import { configFromGguf, expectedTensors, type LlamaConfig } from '../config';
import type { Warn } from '../key-reader';
import { type StoredType, storedTypes } from './dequantize';
import { type GgufHeader, type GgufTensor, readGgufHeader } from './gguf';
import { checkWeights, type StoredWeight, type WeightSource, weightSource } from './source';

/** GGUF's name of each weight of a block → Hugging Face's name. */
const blockNames: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

const outerNames: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

/** The Hugging Face name of a GGUF tensor. An unknown name is returned as it is. */
export function huggingFaceName(name: string): string {
  if (Object.hasOwn(outerNames, name)) return outerNames[name]!;
  const match = /^blk\.(0|[1-9]\d{0,5})\.([a-z_]+)\.(weight|bias)$/.exec(name);
  const kind = match && Object.hasOwn(blockNames, match[2]!) ? blockNames[match[2]!] : undefined;
  return match && kind ? `model.layers.${match[1]}.${kind}.${match[3]}` : name;
}

/** A GGUF model: its weights, and the header that its tokenizer is built from. */
export interface GgufModel {
  /** Its weights. Closing it closes the files. */
  readonly source: WeightSource;
  /** Header of the file, or of the first part. */
  readonly header: GgufHeader;
}

/** A tensor and the file that it is in. */
interface PlacedTensor extends GgufTensor {
  readonly file: ByteSource;
}

/** llama.cpp's names of the parts of a model in several files: NAME-00001-of-00003.gguf. */
const partName = /^(.*-)(\d{5})-of-(\d{5})(\.gguf)$/s;

/**
 * The files of the GGUF model that a path leads to: all parts in order if its name is that of a part, else the path
 * itself.
 */
export function ggufParts(path: string): readonly string[] {
  const [, prefix, , count, extension] = partName.exec(path) ?? [];
  const parts = Array.from({ length: Number(count ?? 0) }, (_, index) => {
    return `${prefix}${String(index + 1).padStart(5, '0')}-of-${count}${extension}`;
  });
  return parts.includes(path) ? parts : [path];
}

/**
 * Opens a GGUF model. Only headers are read. The returned source owns the files; on failure they are closed.
 *
 * @param file the file, or the first part, which has the metadata.
 * @param more the other parts of a model in several files, in order.
 * @throws {InputError} for damaged files, unsupported architectures and types, tensors that do not fit the
 * configuration, and parts that do not belong together.
 */
export async function openGgufModel(file: ByteSource, more: readonly ByteSource[] = []): Promise<GgufModel> {
  const files = [file, ...more];
  try {
    const header = await readGgufHeader(file);
    const tensors = await placedTensors(files, header);
    const warnings: string[] = [];
    const config = await ggufConfig(header, tensors, file, (warning) => warnings.push(warning));
    const expected = expectedTensors(config);
    const weights = new Map<string, StoredWeight>();
    // Only LLaMA's files have q and k in rotated pairs; Qwen's keep Hugging Face's order.
    const rotated = config.architecture === 'llama' ? /\.self_attn\.[qk]_proj\.(weight|bias)$/ : undefined;
    for (const [ggufName, tensor] of tensors) {
      if (ggufName === ropeFactors) continue;
      const name = huggingFaceName(ggufName);
      if (tensor.shape.includes(0) && !expected.has(name)) continue;
      const { shape, begin } = tensor;
      const type = typeOf(tensor);
      weights.set(name, {
        shape,
        type,
        file: tensor.file,
        begin,
        ...(rotated?.test(name) && { interleavedHeadDim: config.headDim }),
      });
    }
    checkWeights(config, weights, file.name);
    return { source: weightSource(config, weights, files, warnings), header };
  } catch (error) {
    await Promise.all(files.map((opened) => opened.close()));
    throw error;
  }
}

/** The tensors of all parts by name. @throws {InputError} naming the first part that is not the expected one */
async function placedTensors(files: readonly ByteSource[], first: GgufHeader): Promise<Map<string, PlacedTensor>> {
  const tensors = new Map<string, PlacedTensor>();
  for (const [index, file] of files.entries()) {
    const header = index === 0 ? first : await readGgufHeader(file);
    const [number, count] = ['split.no', 'split.count'].map((key) => header.metadata.get(key));
    const [part, parts] = [Number(number ?? 0), Number(count ?? 1)];
    if (part !== index || Math.max(1, parts) !== files.length) {
      const due = files.length === 1 ? 'a whole model' : `part ${index + 1} of ${files.length}`;
      throw new InputError(
        `${file.name}: it says that it is part ${part + 1} of ${parts}, not ${due}; ` +
          'keep all parts in one folder, under their names (NAME-00001-of-00002.gguf).',
        { code: 'model.damaged' },
      );
    }
    for (const [name, tensor] of header.tensors) {
      if (tensors.has(name))
        throw new InputError(`tensor ${quoted(name)} is in another part too.`, {
          code: 'model.damaged',
          place: file.name,
        });
      tensors.set(name, { ...tensor, file });
    }
  }
  return tensors;
}

/** Divisors of the rotary frequencies: they belong to the configuration, not to the weights. */
const ropeFactors = 'rope_freqs.weight';

/** How a tensor is read. @throws {InputError} naming the tensor and its type when it is not supported. */
function typeOf({ name, type, file }: PlacedTensor): StoredType {
  const known = storedTypes.get(type.name);
  if (known) return known;
  throw new InputError(
    `tensor ${quoted(name)} is stored as ${type.name}, which is not supported; supported: ${[...storedTypes.keys()].join(', ')}.`,
    { code: 'model.unsupported', place: file.name },
  );
}

async function ggufConfig(
  { metadata }: GgufHeader,
  tensors: ReadonlyMap<string, PlacedTensor>,
  { name }: ByteSource,
  warn: Warn,
): Promise<LlamaConfig> {
  const factors = tensors.get(ropeFactors);
  // Half a head is a few hundred bytes; more would be refused anyway and need not be read.
  const readable = factors && factors.byteLength <= 2 ** 16;
  const facts = {
    embeddingRows: tensors.get('token_embd.weight')?.shape[0] ?? 0,
    has: (tensor: string) => tensors.has(tensor),
    ropeFactors: factors && [
      ...(readable ? typeOf(factors).decode(await factors.file.read(factors.begin, factors.byteLength)) : []),
    ],
  };
  return configFromGguf(metadata, facts, name, warn);
}
