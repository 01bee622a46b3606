// Low-rank adapters on linear layers (Hu et al. 2022), named as PEFT names them.
import type { Device, StepValue } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { DropoutState, Parameter, ParameterSpec, RandomStream } from '@crossgate/tensor';
import { ParameterGroup } from '@crossgate/tensor';
import type { LlamaConfig } from '../config';
import { expectedTensors, isLinearWeight } from '../config';

/** Settings of LoRA adapters (Hu et al. 2022). */
export interface LoraOptions {
  /** Rank r of the update B · A, at least 1. */
  readonly rank: number;
  /** Numerator of the scale: the update is multiplied by alpha / rank, or with `rankStabilized` by alpha / √rank. */
  readonly alpha: number;
  /** Dropout on the update's input in training, in [0, 1). */
  readonly dropout: number;
  /**
   * Layers to adapt, as in PEFT. A list: every linear layer of the blocks, and the head, whose name equals, or ends in,
   * one of these, e.g. `q_proj` or `lm_head`. A string: a regular expression that must match the whole name, e.g.
   * `.*\\.[01]\\.mlp\\..*`, or `all-linear`, which means those of the blocks.
   */
  readonly targets: readonly string[] | string;
  /**
   * Whether to scale by alpha / √rank (Kalajdzievski 2023), so that large ranks learn as fast as small ones. Default
   * false.
   */
  readonly rankStabilized?: boolean;
  /**
   * Other ranks for some layers, as PEFT has it: regular expressions for the end of their names; the first that
   * matches counts.
   */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** Other alphas for some layers, chosen in the same way. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
}

/** Identifies the dropout of a training step: the same seed and counter give the same masks. */
export interface DropoutContext {
  /** Seed of the training. */
  readonly seed: number;
  /** Number of the optimizer step or micro-batch; a value of the step where the step is captured. */
  readonly counter: number | StepValue;
  /**
   * What other ranks have in front of these rows in the batch of the step: rows of all tokens, and rows of those whose
   * result is wanted. The masks are then those of the whole batch. Default none.
   */
  readonly before?: {
    /** Rows of all tokens. */
    readonly tokens: number;
    /** Rows of those whose result is wanted. */
    readonly wanted: number;
  };
}

/** The dropout of one layer, which has rows for all tokens or for the wanted ones alone. */
export interface LayerDropout extends DropoutContext {
  /** Which of them it has. */
  readonly rows: 'tokens' | 'wanted';
}

const suffixA = '.lora_A.weight';
const suffixB = '.lora_B.weight';

interface AdaptedLayer {
  readonly a: Parameter;
  readonly b: Parameter;
  /** Factor on the update: see {@link loraScale}. */
  readonly scale: number;
  /** Distinguishes this layer's dropout masks from those of other layers. */
  readonly stream: number;
}

/** The adapters of one model: their parameters, and what each adapted layer needs. */
export class LoraAdapters {
  /** All parameters, under the name `lora`: see {@link loraParameterShapes}. */
  readonly group: ParameterGroup;
  readonly #layers: ReadonlyMap<string, AdaptedLayer>;

  /**
   * Creates adapters with A Kaiming-uniform and B zero, so the model starts unchanged.
   *
   * @param random stream that A is drawn from.
   * @throws InputError for options out of range, and for a target that no layer matches (listing the layers there are).
   */
  constructor(
    device: Device,
    config: LlamaConfig,
    /** The settings that they were made with. */
    readonly options: LoraOptions,
    random: RandomStream,
  ) {
    const { dropout } = options;
    if (!(dropout >= 0 && dropout < 1))
      throw new InputError(`lora.dropout is ${dropout}, expected a number in [0, 1)`, { code: 'adapter.option' });
    const shapes = loraParameterShapes(config, options);
    const specs = [...shapes].map(([name, shape]): ParameterSpec => {
      const [rows, columns] = shape;
      const size = rows * columns;
      const values = name.endsWith(suffixA) ? random.kaimingUniform(size, columns) : new Float32Array(size);
      return { name, shape, values };
    });
    const names = [...shapes.keys()]
      .filter((name) => name.endsWith(suffixA))
      .map((name) => name.slice(0, -suffixA.length));
    this.group = new ParameterGroup(device, 'lora', specs);
    this.#layers = new Map(
      names.map((name, stream) => [
        name,
        {
          a: this.group.get(name + suffixA),
          b: this.group.get(name + suffixB),
          scale: loraScale(options, name),
          stream,
        },
      ]),
    );
  }

  /** The adapter of a layer such as `model.layers.0.self_attn.q_proj`; undefined if it has none. */
  get(module: string): AdaptedLayer | undefined {
    return this.#layers.get(module);
  }

  /** The dropout of a layer in a training step; undefined outside training. */
  dropout({ stream, a }: AdaptedLayer, context: LayerDropout | undefined): DropoutState | undefined {
    if (!context) return undefined;
    const { seed, counter, before, rows } = context;
    const first = (before?.[rows] ?? 0) * a.columns;
    return { probability: this.options.dropout, seed, stream, counter, ...(first > 0 && { first }) };
  }

  /** Frees the parameters. */
  release(): void {
    this.group.release();
  }
}

/**
 * Shapes of the adapters' parameters by name, before anything is allocated: `NAME.lora_A.weight` [rank, inputs] and
 * `NAME.lora_B.weight` [outputs, rank] for each adapted layer, in the order of the model.
 *
 * @throws InputError for a rank that is not a whole number of at least 1, and for a target that no layer matches
 * (listing the layers there are).
 */
export function loraParameterShapes(
  config: LlamaConfig,
  options: Pick<LoraOptions, 'rank' | 'targets' | 'rankPattern'>,
): Map<string, readonly [number, number]> {
  const { targets } = options;
  const modules = adaptableModules(config);
  const chosen =
    targets === 'all-linear'
      ? new Set(linearModules(config).keys())
      : typeof targets === 'string'
        ? matching(modules, targets)
        : named(modules, targets);
  const shapes = new Map<string, readonly [number, number]>();
  for (const [name, [outputs, inputs]] of modules) {
    const rank = patternValue(options.rankPattern, name) ?? options.rank;
    if (!Number.isInteger(rank) || rank < 1)
      throw new InputError(`lora.rank is ${rank}, expected an integer of at least 1`, { code: 'adapter.option' });
    if (!chosen.has(name)) continue;
    shapes.set(name + suffixA, [rank, inputs]);
    shapes.set(name + suffixB, [outputs, rank]);
  }
  return shapes;
}

/**
 * Factor on the update B · A of a layer: alpha / rank, or alpha / √rank with `rankStabilized`, of its own rank and
 * alpha.
 */
export function loraScale(
  options: Pick<LoraOptions, 'rank' | 'alpha' | 'rankStabilized' | 'rankPattern' | 'alphaPattern'>,
  module: string,
): number {
  const rank = patternValue(options.rankPattern, module) ?? options.rank;
  const alpha = patternValue(options.alphaPattern, module) ?? options.alpha;
  return alpha / (options.rankStabilized ? Math.sqrt(rank) : rank);
}

/** The value of the first pattern that matches the end of a layer's name; undefined if none does. */
function patternValue(patterns: Readonly<Record<string, number>> | undefined, module: string): number | undefined {
  return Object.entries(patterns ?? {}).find(([pattern]) => wholePattern(`(?:.*\\.)?(?:${pattern})`).test(module))?.[1];
}

/**
 * A pattern of Python's `re` that must match a whole name.
 *
 * @throws InputError if it is not a regular expression, or one that only Python has.
 */
export function wholePattern(pattern: string): RegExp {
  const written = pattern
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll('\\Z', '$')
    .replaceAll('\\A', '^');
  try {
    return new RegExp(`^(?:${written})$`);
  } catch (error) {
    throw new InputError(`"${pattern}" is no regular expression: ${(error as Error).message}`, {
      code: 'adapter.option',
    });
  }
}

type Modules = ReadonlyMap<string, readonly [number, number]>;

function kindsOf(modules: Modules): string {
  return [...new Set([...modules.keys()].map((name) => name.split('.').at(-1)))].join(', ');
}

function named(modules: Modules, targets: readonly string[]): Set<string> {
  const chosen = new Set<string>();
  for (const target of targets) {
    const matches = [...modules.keys()].filter((name) => name === target || name.endsWith(`.${target}`));
    if (matches.length === 0) {
      throw new InputError(`lora.targets: no layer is named "${target}"; there are ${kindsOf(modules)}`, {
        code: 'adapter.option',
      });
    }
    for (const name of matches) chosen.add(name);
  }
  return chosen;
}

function matching(modules: Modules, pattern: string): Set<string> {
  let expression: RegExp;
  try {
    expression = wholePattern(pattern);
  } catch (error) {
    if (error instanceof InputError) error.message = `lora.targets: ${error.message}`;
    throw error;
  }
  const chosen = [...modules.keys()].filter((name) => expression.test(name));
  if (chosen.length === 0) {
    const example = modules.keys().next().value;
    // A list of layers, written as one pattern.
    const words = pattern.split(/[,|\s]+/);
    const isList = words.every((word) => [...modules.keys()].some((name) => name.endsWith(`.${word}`)));
    throw new InputError(
      `lora.targets: no layer matches "${pattern}" as a whole; layers are called as ${example}, and end in ${kindsOf(modules)}`,
      { code: 'adapter.option', ...(isList && { fix: `write [${words.join(', ')}] to name them` }) },
    );
  }
  return new Set(chosen);
}

/** Linear layers of the blocks: module name → [outputs, inputs]. */
export function linearModules(config: LlamaConfig): Map<string, readonly [number, number]> {
  const modules = new Map<string, readonly [number, number]>();
  for (const [name, shape] of expectedTensors(config)) {
    if (isLinearWeight(name)) modules.set(name.slice(0, -'.weight'.length), [shape[0]!, shape[1]!]);
  }
  return modules;
}

/** What an adapter may stand on: the linear layers of the blocks, and the head, also where it shares the embeddings. */
export function adaptableModules(config: LlamaConfig): Map<string, readonly [number, number]> {
  return linearModules(config).set(headModule, [config.vocabSize, config.hiddenSize]);
}

/** The head's name. */
export const headModule = 'lm_head';
