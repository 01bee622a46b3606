/** Opens the weights of a LLaMA model stored as GGUF. */
import { type ByteSource, InputError, isFloatDtype, quoted } from '@crossgate/tensor';
import { configFromGguf, type LlamaConfig } from '../config';
import { type GgufHeader, readGgufHeader } from './gguf';
import { checkWeights, type StoredWeight, type WeightSource, weightSource } from './source';

/** GGUF's name of each weight of a block, and Hugging Face's. */
const blockNames: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
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
 * @throws {InputError} for damaged files, other architectures, other tensors than the configuration's, quantised types.
 */
export async function openGgufModel(file: ByteSource): Promise<GgufModel> {
  try {
    const header = await readGgufHeader(file);
    const config = ggufConfig(header, file.name);
    const weights = new Map<string, StoredWeight>();
    for (const [ggufName, { shape, type, begin }] of header.tensors) {
      const name = huggingFaceName(ggufName);
      const dtype = type.name;
      if (!isFloatDtype(dtype)) {
        throw new InputError(
          `${file.name}: tensor ${quoted(ggufName)} is stored as ${dtype}, which is not supported yet; supported: F32, F16, BF16.`,
        );
      }
      const interleaved = /\.self_attn\.[qk]_proj\.weight$/.test(name) ? { interleavedHeadDim: config.headDim } : {};
      weights.set(name, { shape, dtype, file, begin, ...interleaved });
    }
    checkWeights(config, weights, file.name);
    return { source: weightSource(config, weights, [file]), header };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function ggufConfig(header: GgufHeader, source: string): LlamaConfig {
  const embedding = header.tensors.get('token_embd.weight');
  const facts = {
    embeddingRows: embedding?.shape[0] ?? 0,
    hasHead: header.tensors.has('output.weight'),
    hasRopeFactors: header.tensors.has('rope_freqs.weight'),
  };
  return configFromGguf(header.metadata, facts, source);
}
