// What adapter_config.json says, by the rules of Hugging Face's PEFT.
import { InputError } from '@crossgate/gpu';
import { expectedTensors, type LlamaConfig } from '../config';
import { isOff, isRecord, KeyReader, shown, type Warn } from '../key-reader';
import { adaptableModules, headModule, type LoraOptions, wholePattern } from './lora';

/** An adapter_config.json, read for a model. */
export interface PeftSettings {
  /** All but the targets. */
  readonly options: Omit<LoraOptions, 'targets'>;
  /** The layers that it gives an adapter. */
  readonly modules: ReadonlySet<string>;
  /** Weights of the model that it replaces by others, by name. */
  readonly saved: ReadonlySet<string>;
  /** The base model's name or path as the file gives it. */
  readonly baseModel: string | null;
}

/** Keys that change what an adapter computes, with the values that change nothing. */
const neutral: Readonly<Record<string, (value: unknown) => boolean>> = {
  peft_type: (value) => value === 'LORA',
  bias: (value) => value === 'none',
  fan_in_fan_out: isOff,
  use_dora: isOff,
  use_qalora: isOff,
  use_bdlora: isOff,
  alora_invocation_tokens: isOff,
  kasa_config: isOff,
  velora_config: isOff,
  monteclora_config: isOff,
  arrow_config: isOff,
  trainable_token_indices: isOff,
  target_parameters: isOff,
  lora_bias: isOff,
  layer_replication: isOff,
  // These start from a changed base model, to which the stored adapter belongs.
  init_lora_weights: (value) =>
    typeof value === 'boolean' || value === 'gaussian' || value === 'orthogonal' || value === 'eva',
};

/** Keys that say where an adapter comes from, how it was trained or how it is loaded. */
const harmless =
  /^(task_type|auto_mapping|revision|peft_version|inference_mode|megatron_(config|core)|(loftq|eva|corda|lora_ga|runtime)_config|qalora_group_size|_.*|unsloth.*)$/;

/**
 * Reads an adapter_config.json for a model.
 * @param warn told of keys that are not known, and of targets that the model does not have
 * @throws InputError naming the key: other methods than LoRA, options that are not supported, malformed values
 */
export function readPeftConfig(json: unknown, source: string, config: LlamaConfig, warn: Warn): PeftSettings {
  if (!isRecord(json)) throw new InputError('it must hold a JSON object.', { code: 'adapter.mismatch', place: source });
  const reader = new KeyReader(source, (key) => (Object.hasOwn(json, key) ? json[key] : undefined), warn);
  for (const [key, isNeutral] of Object.entries(neutral)) {
    const value = reader.value(key);
    if (value !== undefined && !isNeutral(value)) reader.fail(`${key} is ${shown(value)}, which is not supported.`);
  }
  if (reader.value('peft_type') === undefined) reader.fail('peft_type is missing; is it a PEFT adapter?');
  const dropout = reader.value('lora_dropout') ?? 0;
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1)) {
    return reader.fail(`lora_dropout is ${shown(dropout)}, but must be a number in [0, 1).`);
  }
  const [rankPattern, alphaPattern] = [patternsOf(reader, 'rank_pattern'), patternsOf(reader, 'alpha_pattern')];
  const fractional = Object.entries(rankPattern).find(([, rank]) => !Number.isInteger(rank));
  if (fractional)
    reader.fail(`rank_pattern gives ${fractional[0]} the rank ${fractional[1]}, but ranks are whole numbers.`);
  const saved = savedWeights(reader, config);
  if (saved.size > 0 && reader.flag('ensure_weight_tying', false)) {
    reader.refuse('ensure_weight_tying is true beside modules_to_save, which is not supported.');
  }
  reader.value('ensure_weight_tying');
  const modules = chosenModules(reader, config, saved);
  const base = reader.value('base_model_name_or_path');
  const options = {
    rank: reader.count('r', 2 ** 16),
    alpha: reader.positive('lora_alpha', 8),
    dropout,
    ...(reader.flag('use_rslora', false) && { rankStabilized: true }),
    ...(!isOff(rankPattern) && { rankPattern }),
    ...(!isOff(alphaPattern) && { alphaPattern }),
  };
  const unknown = reader.unread(Object.keys(json)).filter((key) => !harmless.test(key) && !isOff(json[key]));
  reader.warnOfUnknown(
    unknown.map((key) => `${key} (${shown(json[key])})`),
    'the adapter adds',
  );
  return { options, modules, saved, baseModel: typeof base === 'string' ? base : null };
}

/** Numbers by patterns for the ends of names. */
function patternsOf(reader: KeyReader, key: string): Record<string, number> {
  const value = reader.value(key) ?? {};
  if (!isRecord(value)) return reader.fail(`${key} is ${shown(value)}, but must be an object.`);
  return Object.fromEntries(
    Object.entries(value).map(([pattern, number]) => {
      checkedPattern(reader, key, pattern);
      if (typeof number === 'number' && number > 0 && Number.isFinite(number)) return [pattern, number];
      return reader.fail(`${key} gives ${pattern} ${shown(number)}, but must give numbers above 0.`);
    }),
  );
}

function checkedPattern(reader: KeyReader, key: string, pattern: string): RegExp {
  try {
    return wholePattern(pattern);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return reader.fail(`${key}: ${error.message}`);
  }
}

/** A list of names, or one; undefined where there is none. */
function namesOf(reader: KeyReader, key: string): string[] | undefined {
  const value = reader.value(key);
  if (value === undefined || isOff(value)) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((name) =>
    typeof name === 'string' ? name : reader.fail(`${key} holds ${shown(name)}, but must hold names.`),
  );
}

/** Whether a name is one of these, or ends in one at a dot. */
const endsIn = (module: string, names: readonly string[]) =>
  names.some((name) => module === name || module.endsWith(`.${name}`));

/** The weights of modules_to_save: those of every module whose name ends so, and of what is in it. */
function savedWeights(reader: KeyReader, config: LlamaConfig): Set<string> {
  const saved = new Set<string>();
  const weights = [...expectedTensors({ ...config, tieWordEmbeddings: false }).keys()];
  for (const name of namesOf(reader, 'modules_to_save') ?? []) {
    const found = weights.filter((weight) => {
      const parts = weight.split('.').slice(0, -1);
      return parts.some((_, i) =>
        parts
          .slice(0, i + 1)
          .join('.')
          .endsWith(name),
      );
    });
    if (found.length === 0) reader.refuse(`modules_to_save has ${shown(name)}, which is no part of this model.`);
    for (const weight of found) saved.add(weight);
  }
  return saved;
}

/** The layers that get an adapter. */
function chosenModules(reader: KeyReader, config: LlamaConfig, saved: ReadonlySet<string>): Set<string> {
  // What PEFT takes for each of these architectures where the file does not say.
  const targets = reader.value('target_modules') ?? ['q_proj', 'v_proj'];
  const pattern = typeof targets === 'string' ? targets : undefined;
  const names = pattern === undefined ? (namesOf(reader, 'target_modules') ?? (targets as string[])) : [];
  const excluded = reader.value('exclude_modules');
  const [without, except] =
    typeof excluded === 'string'
      ? [checkedPattern(reader, 'exclude_modules', excluded), []]
      : [undefined, namesOf(reader, 'exclude_modules') ?? []];
  const inLayers = layerFilter(reader);
  const expression = pattern === undefined ? undefined : checkedPattern(reader, 'target_modules', pattern);
  const modules = [...adaptableModules(config).keys()];
  const chosen = modules.filter((module) => {
    if (without?.test(module) || endsIn(module, except) || saved.has(`${module}.weight`)) return false;
    if (pattern === 'all-linear') return module !== headModule;
    if (expression) return expression.test(module);
    return names.includes(module) || (endsIn(module, names) && inLayers(module));
  });
  if (names.some((name) => name === 'embed_tokens' || name.endsWith('.embed_tokens'))) {
    reader.refuse('target_modules has embed_tokens; LoRA on embeddings is not supported.');
  }
  const unmatched = names.filter((name) => !modules.some((module) => endsIn(module, [name])));
  if (chosen.length === 0) {
    reader.fail(
      `target_modules is ${shown(targets)}, which chooses no layer of this model; its layers end in ${kinds(modules)}.`,
    );
  }
  if (unmatched.length > 0) {
    reader.warn(
      `target_modules has ${unmatched.join(', ')}, which this model does not have; is it the adapter's base model?`,
    );
  }
  return new Set(chosen);
}

const kinds = (modules: readonly string[]) => [...new Set(modules.map((name) => name.split('.').at(-1)))].join(', ');

/** What layers_to_transform and layers_pattern leave of the layers that names choose. */
function layerFilter(reader: KeyReader): (module: string) => boolean {
  const value = reader.value('layers_to_transform');
  const patterns = namesOf(reader, 'layers_pattern') ?? ['[^.]*'];
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return () => true;
  const indices: unknown[] = Array.isArray(value) ? value : [value];
  if (!indices.every(Number.isInteger)) {
    reader.fail(`layers_to_transform is ${shown(value)}, but must be a number or a list of numbers.`);
  }
  const expressions = patterns.map((pattern) =>
    checkedPattern(reader, 'layers_pattern', `.*\\.(?:${pattern})\\.(?<index>\\d+)\\..*`),
  );
  return (module) => {
    const match = expressions.map((expression) => expression.exec(module)).find((found) => found !== null);
    return match !== undefined && indices.includes(Number(match?.groups?.index));
  };
}
