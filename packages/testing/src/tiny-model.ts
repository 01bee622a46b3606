/** A random LLaMA of one layer with a tokenizer of single characters, as a Hugging Face folder made on the spot. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomNormal } from './reference';

const hiddenSize = 16;
const intermediateSize = 24;
const headDim = 8;
const keyValueHeads = 1;

function vocabulary(): Record<string, number> {
  const pieces = ['<unk>', '<s>', '</s>', '▁'];
  for (let byte = 0; byte < 256; byte++) pieces.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  for (let code = 33; code < 127; code++) pieces.push(String.fromCharCode(code));
  return Object.fromEntries(pieces.map((piece, id) => [piece, id]));
}

/** Writes the model into a new folder. The same every time. */
export async function writeTinyModel(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const vocab = vocabulary();
  const vocabSize = Object.keys(vocab).length;
  const state = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  const weight = (name: string, ...shape: number[]) => {
    const size = shape.reduce((product, length) => product * length, 1);
    const data = shape.length === 1 ? new Float32Array(size).fill(1) : randomNormal([size], 7 + state.size, 0.2).data;
    state.set(name, { shape, data: Float32Array.from(data) });
  };
  weight('model.embed_tokens.weight', vocabSize, hiddenSize);
  const layer = 'model.layers.0';
  weight(`${layer}.input_layernorm.weight`, hiddenSize);
  weight(`${layer}.self_attn.q_proj.weight`, hiddenSize, hiddenSize);
  weight(`${layer}.self_attn.k_proj.weight`, keyValueHeads * headDim, hiddenSize);
  weight(`${layer}.self_attn.v_proj.weight`, keyValueHeads * headDim, hiddenSize);
  weight(`${layer}.self_attn.o_proj.weight`, hiddenSize, hiddenSize);
  weight(`${layer}.post_attention_layernorm.weight`, hiddenSize);
  weight(`${layer}.mlp.gate_proj.weight`, intermediateSize, hiddenSize);
  weight(`${layer}.mlp.up_proj.weight`, intermediateSize, hiddenSize);
  weight(`${layer}.mlp.down_proj.weight`, hiddenSize, intermediateSize);
  weight('model.norm.weight', hiddenSize);
  await writeFile(join(folder, 'model.safetensors'), safetensors(state));
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hiddenSize,
    intermediate_size: intermediateSize,
    num_hidden_layers: 1,
    num_attention_heads: hiddenSize / headDim,
    num_key_value_heads: keyValueHeads,
    vocab_size: vocabSize,
    max_position_embeddings: 1024,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const special = ['<unk>', '<s>', '</s>'].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const replace = (from: string, to: string) => ({ type: 'Replace', pattern: { String: from }, content: to });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace(' ', '▁')] },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        replace('▁', ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: { type: 'BPE', unk_token: '<unk>', fuse_unk: true, byte_fallback: true, vocab, merges: [] },
  };
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const settings = {
    add_bos_token: true,
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    tokenizer_class: 'LlamaTokenizer',
  };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
}

/** A safetensors file: the length of its header, the header, the values. */
function safetensors(state: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>): Uint8Array {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { shape, data }] of state) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + end).fill(32, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, 8);
  let offset = 8 + padded;
  for (const { data } of state.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}
