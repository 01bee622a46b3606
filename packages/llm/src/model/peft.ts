// Adapters in the format of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors.
import { InputError } from '@crossgate/gpu';
import { encodeState, type HostState, RandomStream, writeGroup } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { type ModelFolder, readJson } from '../formats/hugging-face';
import { findPickle } from '../formats/recognize';
import type { LlamaModel } from './llama';
import { LoraAdapters, type LoraOptions } from './lora';
import { readPeftConfig } from './peft-config';
import { type PeftTensors, peftPrefix, readPeftTensors } from './peft-tensors';

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
  /** Weights that replace those of the base model (PEFT's modules_to_save), by their names; see `withSavedWeights`. */
  readonly saved: HostState;
  /** Name or path of the base model, as the file gives it; null if it does not. */
  readonly baseModel: string | null;
  /** What became of the tensors of the file. */
  readonly tensors: PeftTensors;
  /** What a user should know of files that are read all the same, whole sentences. */
  readonly warnings: readonly string[];
}

/** What a file of an adapter is made from. */
export type WrittenAdapter = Pick<PeftAdapter, 'options' | 'state' | 'baseModel'> & Partial<Pick<PeftAdapter, 'saved'>>;

/** The content of adapter_config.json. */
export function peftConfig(
  options: LoraOptions,
  baseModel: string | null,
  modulesToSave: readonly string[] = [],
): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: options.rank,
    lora_alpha: options.alpha,
    lora_dropout: options.dropout,
    target_modules: options.targets,
    use_rslora: options.rankStabilized ?? false,
    rank_pattern: options.rankPattern ?? {},
    alpha_pattern: options.alphaPattern ?? {},
    modules_to_save: modulesToSave.length > 0 ? modulesToSave : null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
  };
}

/**
 * The files of an adapter: name → content, to be written as it comes. Layers that a pattern chose are listed by their
 * names.
 */
export function encodePeftAdapter(adapter: WrittenAdapter): Map<string, string | AsyncGenerator<Uint8Array>> {
  const state: HostState = new Map([...adapter.state].map(([name, value]) => [peftPrefix + name, value]));
  const modules = new Set([...adapter.state.keys()].map((name) => name.replace(loraSuffix, '')));
  const replaced = new Set<string>();
  for (const [name, value] of adapter.saved ?? []) {
    const module = name.replace(/\.(weight|bias)$/, '');
    // A layer with an update cannot be one of modules_to_save, too.
    if (!modules.has(module)) replaced.add(module);
    state.set(peftPrefix + (modules.has(module) ? name.replace(module, `${module}.base_layer`) : name), value);
  }
  // A pattern for linear layers may also match other modules in peft, such as an activation, which peft then refuses.
  const { targets } = adapter.options;
  const options = { ...adapter.options, targets: typeof targets === 'string' ? [...modules] : targets };
  return new Map<string, string | AsyncGenerator<Uint8Array>>([
    [peftWeightsFile, encodeState(state, { format: 'pt' })],
    [peftConfigFile, `${JSON.stringify(peftConfig(options, adapter.baseModel, [...replaced]), null, 2)}\n`],
  ]);
}

/**
 * Reads a PEFT folder and checks it against the model that it is for. Every tensor that adapter_config.json asks for on
 * this model must be there, and every other tensor must be known.
 *
 * @throws InputError naming the file and the key or tensor, for adapters other than LoRA, options that are not
 * supported, and tensors that are missing, unknown or of another shape.
 */
export async function readPeftAdapter(folder: ModelFolder, config: LlamaConfig): Promise<PeftAdapter> {
  const warnings: string[] = [];
  const warn = (warning: string) => void warnings.push(warning);
  const json = await readJson(folder, peftConfigFile);
  const settings = readPeftConfig(json, `${folder.name}/${peftConfigFile}`, config, warn);
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
    const loaded = await readPeftTensors(file, settings, config, warn);
    const options = { ...settings.options, targets: [...settings.modules] };
    return { source: folder.name, options, ...loaded, baseModel: settings.baseModel, warnings };
  } finally {
    await file.close();
  }
}

/**
 * The model with an adapter of a PEFT folder. Release its `adapters` when it is no longer needed.
 *
 * @throws InputError if the adapter replaces weights: the model must then be loaded from `withSavedWeights`;
 * OutOfMemoryError.
 */
export function withPeftAdapter(
  model: LlamaModel,
  adapter: Pick<PeftAdapter, 'source' | 'options' | 'state'> & Partial<Pick<PeftAdapter, 'saved'>>,
): LlamaModel {
  const [replaced] = adapter.saved?.keys() ?? [];
  if (replaced !== undefined) {
    throw new InputError(`replaces ${replaced} of the model, which must be loaded with it`, {
      code: 'adapter.mismatch',
      place: adapter.source,
      fix: 'merge it into the model (`crossgate adapter merge`), and take the merged one.',
    });
  }
  const adapters = new LoraAdapters(model.device, model.config, adapter.options, new RandomStream(0, 'peft'));
  writeGroup(adapters.group, adapter.state, adapter.source);
  return model.with({ adapters });
}
