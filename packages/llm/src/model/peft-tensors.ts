// The tensors of a PEFT file: which are the adapter's, which the model's own, and what the others are.
import { InputError } from '@crossgate/gpu';
import {
  type ByteSource,
  type HostState,
  quoted,
  readSafetensorsHeader,
  readTensorFloats,
  type SafetensorsTensor,
} from '@crossgate/tensor';
import { expectedTensors, type LlamaConfig } from '../config';
import { nearestName, renamed, renamingOf } from '../formats/names';
import type { Warn } from '../key-reader';
import { adaptableModules, loraParameterShapes } from './lora';
import type { PeftSettings } from './peft-config';

/** Before every name of a PEFT file: the wrappers around the model. */
export const peftPrefix = 'base_model.model.';

/** What became of the tensors of a file; those that are missing are an error. */
export interface PeftTensors {
  /** Names in the file of those that are used. */
  readonly applied: readonly string[];
  /** Names in the file of those that are not. */
  readonly unused: readonly string[];
}

interface Loaded {
  /** By our names: `model.layers.0.self_attn.q_proj.lora_A.weight`. */
  readonly state: HostState;
  /** Weights in place of the model's, by their names: `lm_head.weight`. */
  readonly saved: HostState;
  readonly tensors: PeftTensors;
}

/** What tensors of other methods and options are called, and what they are. */
const foreign: readonly (readonly [RegExp, string])[] = [
  [/lora_magnitude_vector/, 'of DoRA (use_dora), which is not supported'],
  [/lora_embedding_[AB]/, 'LoRA on embeddings, which is not supported'],
  [/trainable_tokens|token_adapter/, 'of trained tokens (trainable_token_indices), which are not supported'],
  [/lora_[AB]\.(.+\.)?bias$/, 'the bias of an update (lora_bias), which is not supported'],
  [/bias$/, 'a trained bias (bias), which is not supported'],
  [/lora_(down|up|mid)\b|^lora_(unet|te|transformer)/, "in another program's layout, which is not read"],
  [/(hada|lokr|ia3|vera|oft|boft|prompt|lora_E)(_|\b)/, 'of another method than LoRA, which is not supported'],
];

/**
 * Reads the tensors that an adapter of these settings has on a model.
 * @param warn told of tensors that are read under other names, and of those that are not used
 * @throws InputError naming the file and the tensor: missing, unknown, empty or of another shape
 */
export async function readPeftTensors(
  file: ByteSource,
  settings: PeftSettings,
  config: LlamaConfig,
  warn: Warn,
): Promise<Loaded> {
  const fail = (problem: string, fix?: string): never => {
    throw new InputError(problem, { code: 'adapter.mismatch', place: file.name, fix });
  };
  const header = await readSafetensorsHeader(file);
  const { found, example } = placed(file, [...header.tensors.values()], config, warn, fail);
  const shapes = new Map<string, readonly number[]>(
    loraParameterShapes(config, { ...settings.options, targets: [...settings.modules] }),
  );
  const missing = [...shapes.keys(), ...settings.saved].filter((name) => !found.has(name));
  const [first] = missing;
  if (first !== undefined) {
    const due = shapes.size + settings.saved.size;
    const which = settings.saved.has(first) ? 'modules_to_save asks for it' : 'target_modules asks for it';
    if (found.size === 0 && header.tensors.size === 0)
      fail(`the file has no tensor; ${due} are due, such as ${peftPrefix}${first}`);
    fail(
      `tensor ${quoted(peftPrefix + first)} is missing, ${which}; of ${due} tensors that are due ${missing.length} are missing`,
      'save the adapter anew; of a sharded training, after its parts were gathered.',
    );
  }
  const weights = expectedTensors({ ...config, tieWordEmbeddings: false });
  const state: HostState = new Map();
  const saved: HostState = new Map();
  const unused: string[] = [];
  for (const [name, tensor] of found) {
    const weight = weights.get(name);
    const shape = weight ?? shapes.get(name);
    if (!shape) {
      unused.push(tensor.name);
      continue;
    }
    if (tensor.shape.join() !== shape.join()) {
      const why = tensor.shape.includes(0)
        ? 'it is empty: a part of a sharded training that was not gathered'
        : `this model${weight ? '' : ' and r'} make${weight ? 's' : ''} it [${shape}]`;
      fail(`tensor ${quoted(tensor.name)} has shape [${tensor.shape}], but ${why}`);
    }
    (weight ? saved : state).set(name, { shape, data: await readTensorFloats(file, tensor) });
  }
  if (unused.length > 0) {
    warn(
      `${file.name}: ${unused.length} of ${header.tensors.size} tensors are not used, such as ${quoted(unused[0]!)}: target_modules ` +
        `does not choose their layers, only such as ${example(shapes.keys().next().value ?? '')}.`,
    );
  }
  const applied = [...found.values()].map(({ name }) => name).filter((name) => !unused.includes(name));
  return { state: ordered(state, shapes), saved, tensors: { applied, unused } };
}

/** In the model's order. */
function ordered(state: HostState, shapes: ReadonlyMap<string, unknown>): HostState {
  return new Map([...shapes.keys()].map((name) => [name, state.get(name)!]));
}

/**
 * The tensors by our names. Those that only have another prefix, or the adapter's name in theirs, are known by it.
 * @throws InputError for tensors that are neither an adapter's nor a weight of the model, with the form that is read
 */
function placed(
  file: ByteSource,
  tensors: readonly SafetensorsTensor[],
  config: LlamaConfig,
  warn: Warn,
  fail: (problem: string) => never,
) {
  const wanted = new Set<string>();
  for (const module of adaptableModules(config).keys()) {
    for (const half of ['lora_A', 'lora_B']) wanted.add(`${peftPrefix}${module}.${half}.weight`);
  }
  for (const weight of expectedTensors({ ...config, tieWordEmbeddings: false }).keys()) wanted.add(peftPrefix + weight);
  const adapters = new Set<string>();
  const plain = tensors.map((tensor) => {
    const name = tensor.name
      .replace(/\.(lora_[AB])\.([^.]+)\.weight$/, (_, half: string, adapter: string) => {
        adapters.add(adapter);
        return `.${half}.weight`;
      })
      .replace(/\.base_layer\.|\.modules_to_save\.([^.]+\.)?/, '.');
    return { name, tensor };
  });
  if (adapters.size > 1) fail(`holds several adapters: ${[...adapters].join(', ')}; save one of them.`);
  const renaming = renamingOf(
    plain.map(({ name }) => name),
    wanted,
  );
  const found = new Map<string, SafetensorsTensor>();
  const [example = ''] = wanted;
  for (const { name, tensor } of plain) {
    const known = renaming ? renamed(name, renaming, wanted) : name;
    if (!wanted.has(known)) {
      if (tensor.shape.includes(0)) continue;
      const kind = foreign.find(([pattern]) => pattern.test(tensor.name))?.[1];
      const form = `; tensors are named as ${nearestName(tensor.name, wanted) ?? example}`;
      fail(
        `tensor ${quoted(tensor.name)} ${kind ? `is ${kind}` : "belongs to no linear layer of the model's blocks, nor to its head"}${form}.`,
      );
    }
    const own = known.slice(peftPrefix.length);
    const twice = found.get(own);
    if (twice) fail(`tensors ${quoted(twice.name)} and ${quoted(tensor.name)} are the same one of the model.`);
    found.set(own, tensor);
  }
  const other = [...found].find(
    ([name, tensor]) => tensor.name !== peftPrefix + name && !tensor.name.includes('.base_layer.'),
  );
  if (other)
    warn(`${file.name}: ${quoted(other[1].name)} is read as ${peftPrefix}${other[0]}, and all others named so.`);
  return { found, example: (name: string) => found.get(name)?.name ?? peftPrefix + name };
}
