// Adapters in the format of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors.
import { InputError } from '@crossgate/gpu';
import { encodeState, type HostState, parseState, quoted, RandomStream, writeGroup } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { type ModelFolder, readJson } from '../formats/hugging-face';
import { findPickle } from '../formats/recognize';
import { isRecord, KeyReader, shown } from '../key-reader';
import type { LlamaModel } from './llama';
import { LoraAdapters, type LoraOptions, linearModules, loraParameterShapes } from './lora';

/** Prefix of every tensor name in a PEFT file: the wrappers around the model. */
const prefix = 'base_model.model.';

/** Suffix of the tensors of an adapted layer. */
const loraSuffix = /\.lora_[AB]\.weight$/;

/** Name of the file with the settings of an adapter. */
export const peftConfigFile = 'adapter_config.json';
/** Name of the file with the weights of an adapter. */
export const peftWeightsFile = 'adapter_model.safetensors';

/** An adapter on the host. */
export interface PeftAdapter {
  /** Name of the adapter in messages, usually its folder. */
  readonly source: string;
  /** Its settings; `targets` lists the adapted layers by their full names when it was read from a folder. */
  readonly options: LoraOptions;
  /**
   * Its weights by our names: `model.layers.0.self_attn.q_proj.lora_A.weight` [rank, inputs], `….lora_B.weight`
   * [outputs, rank].
   */
  readonly state: HostState;
  /** Name or path of the base model, as the file gives it; null if it does not. */
  readonly baseModel: string | null;
}

/** The content of adapter_config.json. */
export function peftConfig(options: LoraOptions, baseModel: string | null): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: options.rank,
    lora_alpha: options.alpha,
    lora_dropout: options.dropout,
    target_modules: options.targets,
    use_rslora: options.rankStabilized ?? false,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
  };
}

/**
 * The files of an adapter: name → content, to be written as it comes. Layers that a pattern chose are listed by their
 * names.
 */
export function encodePeftAdapter(
  adapter: Pick<PeftAdapter, 'options' | 'state' | 'baseModel'>,
): Map<string, string | AsyncGenerator<Uint8Array>> {
  const state: HostState = new Map([...adapter.state].map(([name, value]) => [prefix + name, value]));
  // A pattern for linear layers may also match other modules in peft, such as an activation, which peft then refuses.
  const { targets } = adapter.options;
  const modules = new Set([...adapter.state.keys()].map((name) => name.replace(loraSuffix, '')));
  const options = { ...adapter.options, targets: typeof targets === 'string' ? [...modules] : targets };
  return new Map<string, string | AsyncGenerator<Uint8Array>>([
    [peftWeightsFile, encodeState(state, { format: 'pt' })],
    [peftConfigFile, `${JSON.stringify(peftConfig(options, adapter.baseModel), null, 2)}\n`],
  ]);
}

/** Keys that change what an adapter computes, each with a test for the values that change nothing. */
const neutral: Readonly<Record<string, (value: unknown) => boolean>> = {
  peft_type: (value) => value === 'LORA',
  bias: (value) => value === 'none',
  fan_in_fan_out: (value) => value === false,
  use_dora: (value) => value === false,
  use_qalora: (value) => value === false,
  use_bdlora: (value) => value === false,
  alora_invocation_tokens: isEmpty,
  kasa_config: isEmpty,
  velora_config: isEmpty,
  monteclora_config: isEmpty,
  arrow_config: isEmpty,
  rank_pattern: isEmpty,
  alpha_pattern: isEmpty,
  modules_to_save: isEmpty,
  trainable_token_indices: isEmpty,
  target_parameters: isEmpty,
  lora_bias: (value) => value === false,
  layer_replication: isEmpty,
  // These start from a changed base model, to which the stored adapter belongs.
  init_lora_weights: (value) => typeof value === 'boolean' || value === 'gaussian' || value === 'orthogonal',
};

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

/**
 * Reads a PEFT folder and checks it against the model that it is for.
 *
 * @throws InputError naming the file and the key or tensor, for adapters other than LoRA, options that are not
 * supported, and tensors that are missing, unknown or of another shape.
 */
export async function readPeftAdapter(folder: ModelFolder, config: LlamaConfig): Promise<PeftAdapter> {
  const source = `${folder.name}/${peftConfigFile}`;
  const json = await readJson(folder, peftConfigFile);
  if (!isRecord(json)) throw new InputError('it must hold a JSON object.', { code: 'adapter.mismatch', place: source });
  const reader = new KeyReader(source, (key) => (Object.hasOwn(json, key) ? json[key] : undefined));
  for (const [key, isNeutral] of Object.entries(neutral)) {
    const value = reader.value(key);
    if (value !== undefined && !isNeutral(value)) reader.fail(`${key} is ${shown(value)}, which is not supported.`);
  }
  if (reader.value('peft_type') === undefined) reader.fail('peft_type is missing; is it a PEFT adapter?');
  const dropout = reader.value('lora_dropout') ?? 0;
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1)) {
    reader.fail(`lora_dropout is ${shown(dropout)}, but must be a number in [0, 1).`);
  }
  const base = reader.value('base_model_name_or_path');
  const options = {
    rank: reader.count('r', 2 ** 16),
    alpha: reader.positive('lora_alpha', 8),
    dropout: dropout as number,
    ...(reader.flag('use_rslora', false) && { rankStabilized: true }),
  };

  const names = await folder.list();
  if (!names.includes(peftWeightsFile)) {
    const pickle = findPickle(names);
    const why = pickle
      ? `${pickle} is a PyTorch pickle, which can run code when loaded and is not read; in Python, save_pretrained(OUT, safe_serialization=True) of the adapted model writes it`
      : 'an adapter needs it';
    throw new InputError(`there is no ${peftWeightsFile}; ${why}.`, { code: 'adapter.not-found', place: folder.name });
  }
  const file = await folder.open(peftWeightsFile);
  try {
    const { state: stored } = await parseState(file);
    const state: HostState = new Map();
    for (const [name, value] of stored) {
      if (!name.startsWith(prefix)) {
        throw new InputError(`tensor ${quoted(name)} does not begin with ${prefix}`, {
          code: 'adapter.mismatch',
          place: file.name,
        });
      }
      state.set(name.slice(prefix.length), value);
    }
    // The adapted layers are those in the file: PEFT chooses them by several keys, and the file has the result.
    const modules = linearModules(config);
    const targets = new Set<string>();
    for (const name of state.keys()) {
      const module = name.replace(loraSuffix, '');
      if (module === name || !modules.has(module)) {
        throw new InputError(`tensor ${quoted(prefix + name)} belongs to no linear layer of the model's blocks`, {
          code: 'adapter.mismatch',
          place: file.name,
        });
      }
      targets.add(module);
    }
    const complete = { ...options, targets: [...targets] };
    for (const [name, shape] of loraParameterShapes(config, complete)) {
      const found = state.get(name);
      if (!found)
        throw new InputError(`tensor ${quoted(prefix + name)} is missing`, {
          code: 'adapter.mismatch',
          place: file.name,
        });
      if (found.shape.join() !== shape.join()) {
        throw new InputError(
          `tensor ${quoted(prefix + name)} has shape [${found.shape}], but this model and r make it [${shape}]`,
          { code: 'adapter.mismatch', place: file.name },
        );
      }
    }
    return { source: folder.name, options: complete, state, baseModel: typeof base === 'string' ? base : null };
  } finally {
    await file.close();
  }
}

/**
 * The model with an adapter of a PEFT folder. Release its `adapters` when it is no longer needed.
 *
 * @throws OutOfMemoryError.
 */
export function withPeftAdapter(model: LlamaModel, adapter: PeftAdapter): LlamaModel {
  const adapters = new LoraAdapters(model.device, model.config, adapter.options, new RandomStream(0, 'peft'));
  writeGroup(adapters.group, adapter.state, adapter.source);
  return model.with({ adapters });
}
