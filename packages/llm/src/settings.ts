/**
 * Settings of configurations that are not read: which change nothing, which change what a model computes, and the
 * rest.
 */
import { isOff, type KeyReader, shown } from './key-reader';

/** What of a configuration is computed, and other settings may say in their way. */
interface Computed {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly attentionBias?: boolean;
  readonly outputBias?: boolean;
  readonly queryKeyNorm?: boolean;
}

/** A kind of settings that other models have, and how a LLaMA would be described by it. */
interface Feature {
  /** Names of its keys; those of GGUF with `_` for `.`. */
  readonly keys: RegExp;
  /** What is not supported, after the key and its value. */
  readonly what: string;
  /** Whether a value leaves the model as it is computed here. */
  readonly neutral: (value: unknown, config: Computed) => boolean;
}

const is =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value);
const near = (expected: (config: Computed) => number) => (value: unknown, config: Computed) =>
  typeof value === 'number' && Math.abs(value / expected(config) - 1) < 1e-4;
const ofHead = near(({ headDim }) => 1 / Math.sqrt(headDim));

/** The first whose keys match counts. */
const features: readonly Feature[] = [
  {
    keys: /^(hidden_act|hidden_activation|mlp_hidden_act|activation|activation_function|activation_type|act_fn)$/,
    what: 'only the activation silu is supported',
    neutral: is('silu', 'swish'),
  },
  {
    keys: /^(partial_rotary_factor|rotary_(pct|percent|percentage|fraction|emb_fraction))$/,
    what: 'only whole heads can be rotated',
    neutral: is(1),
  },
  { keys: /^rotary_dim$/, what: 'only whole heads can be rotated', neutral: near(({ headDim }) => headDim) },
  {
    keys: /^(rotary|rope)(_emb)?_base$|^rope_freq_base_swa$/,
    what: 'it is another base than that of the rotary positions',
    neutral: near(({ ropeTheta }) => ropeTheta),
  },
  {
    keys: /^(use_rope|use_rotary(_emb|_embeddings?)?|rotary)$/,
    what: 'layers without rotary positions are not supported',
    neutral: is(true),
  },
  {
    keys: /^(no_rope_layers?|no_rope_layer_interval|nope_layers?|nope_layer_interval)$/,
    what: 'layers without rotary positions are not supported',
    neutral: (value) => isOff(value) || (Array.isArray(value) && value.every((rotated) => rotated === 1)),
  },
  {
    keys: /^(mrope_section|mrope_interleaved|rope_dimension_sections|rope_interleaved?|rope_ratio|use_dynamic_ntk)$/,
    what: 'other rotary positions than one angle for each pair of the two halves are not supported',
    neutral: isOff,
  },
  {
    keys: /^(position_embedding_type|pos_emb_type|positional_embedding)$/,
    what: 'only rotary positions are supported',
    neutral: is('rope', 'rotary'),
  },
  { keys: /alibi/, what: 'ALiBi is not supported', neutral: isOff },
  { keys: /soft_?cap|logits?_cap$/, what: 'capped logits are not supported', neutral: isOff },
  {
    keys: /^query_pre_attn_scalar$/,
    what: 'queries are scaled by the width of a head',
    neutral: near((c) => c.headDim),
  },
  {
    keys: /^(attention_multiplier|(attention|attn|softmax|query|qk)_scale)$/,
    what: 'attention is scaled by 1/√(width of a head)',
    neutral: ofHead,
  },
  {
    keys: /^scale_depth$/,
    what: 'scaled residuals are not supported',
    neutral: near(({ layers }) => Math.sqrt(layers)),
  },
  { keys: /^dim_model_base$/, what: 'scaled logits are not supported', neutral: near((c) => c.hiddenSize) },
  { keys: /^scale_attn_weights$/, what: 'attention is scaled', neutral: is(true) },
  {
    keys: /multiplier|^(scale_emb|emb_scale|embed_scale|embedding_scale|scale_embeddings?)$|logits?_scal(e|ing)$|^residual_scale$/,
    what: 'scaled embeddings, residuals and logits are not supported',
    neutral: is(1, false),
  },
  {
    keys: /^(use_)?mup(_|$)|^normalize_embeddings?$/,
    what: 'it scales activations, which is not supported',
    neutral: isOff,
  },
  { keys: /expert|(^|_)moe(_|$)/, what: 'experts are not supported', neutral: isOff },
  {
    keys: /^(attention_)?(sliding_window|window|local_attention|chunk)(_size|_pattern)?$|^(interleaved_)?sliding_windows?$|^(use_sliding_window|attention_chunk_size|attention_window)$/,
    what: 'such windows are not supported',
    neutral: isOff,
  },
  {
    keys: /(^|_)(qk|query_key|q_k)_?(layer)?_?norm/,
    what: 'q/k norms are supported for Qwen3 only',
    neutral: (value, { queryKeyNorm }) => isOff(value) || queryKeyNorm === true,
  },
  {
    keys: /^(use_)?(parallel_(attn|attention|residual)|post_norm|sandwich_norm|pre_post_norm)|unit_offset$/,
    what: 'only norms before attention and before the feed-forward, one after the other, are supported',
    neutral: isOff,
  },
  {
    keys: /^(norm_type|normalization|normalization_type|layer_norm_type)$/,
    what: 'only RMSNorm is supported',
    neutral: (value) => typeof value === 'string' && /^rms_?norm$/i.test(value),
  },
  {
    keys: /(^|_)(bias|biases)$|^add_(bias_linear|qkv_bias)$/,
    what: 'such biases are not supported',
    neutral: (value, { attentionBias, outputBias }) => isOff(value) || (attentionBias === true && outputBias !== true),
  },
  { keys: /(^|_)is_causal$|(^|_)causal$/, what: 'only attention to what came before is supported', neutral: is(true) },
  {
    keys: /bidirectional|(^|_)sinks?(_|$)|clip_qkv|clamp_kqv|logn_attn|temperature_tuning|temperature_scale/,
    what: 'such attention is not supported',
    neutral: isOff,
  },
  {
    keys: /^(is_encoder_decoder|add_cross_attention|pruned_heads|num_kv_shared_layers|use_cla|(layer|kv|weight)_sharing|share_layers)$|_lora_rank$|^(ssm|mamba)_/,
    what: 'such layers are not supported',
    neutral: isOff,
  },
];

/** Keys that say nothing of what a model computes for given tokens: origin, training, generation, other programs. */
const harmless: readonly RegExp[] = [
  /^_|^unsloth|^auto_map$|^architectures?$|^model_type$|^name$|^(transformers|peft|mlx|vllm)_version$/,
  /dropout|pdrop|^initializer_|^init_std$|_dtype$|^dtype$|^use_(cache|bfloat16|flash_attn)|^pretraining_tp$/,
  /^(bos|eos|pad|sep|unk|cls|mask|decoder_start|forced_bos|forced_eos)_token(_id)?$|_token_(id|index)$/,
  /^(router_|output_router)|aux_loss|^(decoder_sparse_step|norm_topk_prob|mlp_only_layers)$/,
  /^(return_dict|output_(attentions|hidden_states|scores|past)|torchscript|tf_legacy_loss|chunk_size_feed_forward)$/,
  /^(return_dict_in_generate|is_decoder|tie_encoder_decoder|finetuning_task|id2label|label2id|num_labels)$/,
  /^(tokenizer_class|prefix|task_specific_params|problem_type|remove_invalid_values|attn_implementation)$/,
  /^(max_length|min_length|do_sample|early_stopping|num_beams|num_beam_groups|diversity_penalty|temperature)$/,
  /^(top_k|top_p|typical_p|repetition_penalty|length_penalty|(encoder_)?no_repeat_ngram_size|bad_words_ids)$/,
  /^(num_return_sequences|(begin_)?suppress_tokens|exponential_decay_length_penalty|logits_to_keep)$/,
  /^(max_window_layers|max_sequence_length|model_max_length|seq_length|tokenizer_model_max_length)$/,
  /^(gradient_checkpointing|license|author|description|tensor_data_layout|rope_scaling_(finetuned|original_context_length))$/,
  /^(is_llama_config|transformers\.js_config|keys_to_ignore_at_inference|num_key_value_groups)$/,
];

/**
 * Judges the keys that nothing has read: those of models that compute otherwise are refused unless they say what is
 * computed here, and the user is told of those that are not known at all.
 * @param keys all keys of the file that may describe the model
 * @param nameOf the name of a key among the features
 * @throws InputError naming the key
 */
export function checkSettings(
  reader: KeyReader,
  keys: Iterable<string>,
  config: Computed,
  nameOf = (key: string) => key,
): void {
  const unknown: string[] = [];
  for (const key of reader.unread(keys)) {
    const name = nameOf(key);
    const value = reader.value(key);
    if (value === undefined || harmless.some((pattern) => pattern.test(name))) continue;
    const feature = features.find(({ keys }) => keys.test(name));
    if (feature) {
      if (!feature.neutral(value, config)) reader.refuse(`${key} is ${shown(value)}; ${feature.what}.`);
    } else if (!isOff(value)) unknown.push(`${key} (${shown(value)})`);
  }
  reader.warnOfUnknown(unknown, 'the model computes');
}
