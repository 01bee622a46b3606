// The demo model's shape and its first weights.
import { configFromHuggingFace, expectedTensors } from '@crossgate/llm';
import { ParameterGroup, RandomStream } from '@crossgate/tensor';

/** Structure of config.json: 479 thousand parameters besides the embeddings. @param {number} vocabSize */
export function makeConfig(vocabSize) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 96,
    intermediate_size: 288,
    num_hidden_layers: 4,
    num_attention_heads: 6,
    num_key_value_heads: 6,
    vocab_size: vocabSize,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  };
}

/**
 * All weights as one group of parameters, drawn at random.
 * @param {import('@crossgate/gpu').Device} device @param {ReturnType<typeof makeConfig>} json @param {number} seed
 */
export function makeParameters(device, json, seed) {
  const config = configFromHuggingFace(json, 'config.json');
  const random = new RandomStream(seed, 'pretraining');
  const specs = [...expectedTensors(config)].map(([name, shape]) => {
    const count = shape.reduce((product, length) => product * length, 1);
    if (shape.length === 1) return { name, shape, values: new Float32Array(count).fill(1), decay: false };
    // What is added to the residual stream starts smaller, by the number of additions (GPT-2).
    const residual = /o_proj|down_proj/.test(name) ? 1 / Math.sqrt(2 * config.layers) : 1;
    // Small enough that a token's own embedding is what the stream mostly holds at first.
    const deviation = name.includes('embed_tokens') ? 0.1 : 0.05 * residual;
    return { name, shape, values: random.normals(count, deviation) };
  });
  const group = new ParameterGroup(device, 'llm', specs);
  group.trainable = true;
  return { config, group, weights: new Map(group.parameters.map((parameter) => [parameter.name, parameter])) };
}
