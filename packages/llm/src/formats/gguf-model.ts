/** Opens the weights of a LLaMA model stored as GGUF. */
import { type ByteSource, InputError, quoted } from '@crossgate/tensor';
import { configFromGguf, type LlamaConfig } from '../config';
import { type StoredType, storedTypes } from './dequantize';
import { type GgufHeader, type GgufTensor, readGgufHeader } from './gguf';
import { checkWeights, type StoredWeight, type WeightSource, weightSource } from './source';

/** GGUF's name of each weight of a block, and Hugging Face's. */
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

/** The Hugging Face name of a GGUF tensor; unknown names come back as they are. */
export function huggingFaceName(name: string): string {
  if (Object.hasOwn(outerNames, name)) return outerNames[name]!;
  const match = /^blk\.(0|[1-9]\d{0,5})\.([a-z_]+)\.(weight|bias)$/.exec(name);
  const kind = match && Object.hasOwn(blockNames, match[2]!) ? blockNames[match[2]!] : undefined;
  return match && kind ? `model.layers.${match[1]}.${kind}.${match[3]}` : name;
}

/** A GGUF model: its weights, and the header that its tokenizer is built from. */
export interface GgufModel {
  readonly source: WeightSource;
  readonly header: GgufHeader;
}

/**
 * Opens a GGUF file. Only the header is read. The returned source owns `file`; on failure it is closed.
 * @throws {InputError} for damaged files, other architectures, other tensors than the configuration's, types that are not supported.
 */
export async function openGgufModel(file: ByteSource): Promise<GgufModel> {
  try {
    const header = await readGgufHeader(file);
    const config = await ggufConfig(header, file);
    const weights = new Map<string, StoredWeight>();
    // Only LLaMA's files have q and k in rotated pairs; Qwen's keep Hugging Face's order.
    const rotated = config.architecture === 'llama' ? /\.self_attn\.[qk]_proj\.(weight|bias)$/ : undefined;
    for (const [ggufName, tensor] of header.tensors) {
      if (ggufName === ropeFactors) continue;
      const name = huggingFaceName(ggufName);
      const { shape, begin } = tensor;
      const type = typeOf(tensor, file);
      weights.set(name, {
        shape,
        type,
        file,
        begin,
        ...(rotated?.test(name) && { interleavedHeadDim: config.headDim }),
      });
    }
    checkWeights(config, weights, file.name);
    return { source: weightSource(config, weights, [file]), header };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Divisors of the rotary frequencies: part of the configuration rather than a weight. */
const ropeFactors = 'rope_freqs.weight';

/** How a tensor is read. @throws {InputError} naming the tensor and its type where it cannot be. */
function typeOf({ name, type }: GgufTensor, file: ByteSource): StoredType {
  const known = storedTypes.get(type.name);
  if (known) return known;
  throw new InputError(
    `${file.name}: tensor ${quoted(name)} is stored as ${type.name}, which is not supported; supported: ${[...storedTypes.keys()].join(', ')}.`,
  );
}

async function ggufConfig(header: GgufHeader, file: ByteSource): Promise<LlamaConfig> {
  const { tensors } = header;
  const factors = tensors.get(ropeFactors);
  // Half a head is a few hundred bytes; more would be refused anyway and need not be read.
  const readable = factors && factors.byteLength <= 2 ** 16;
  const facts = {
    embeddingRows: tensors.get('token_embd.weight')?.shape[0] ?? 0,
    has: (name: string) => tensors.has(name),
    ropeFactors: factors && [
      ...(readable ? typeOf(factors, file).decode(await file.read(factors.begin, factors.byteLength)) : []),
    ],
  };
  return configFromGguf(header.metadata, facts, file.name);
}
