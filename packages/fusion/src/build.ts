// Assembles a method's model from its parts.
import type { CfBackend } from '@crossgate/cf';
import { type LlamaModel, LoraAdapters, type LoraOptions } from '@crossgate/llm';
import { RandomStream, readGroup, writeGroup } from '@crossgate/tensor';
import type { AlignmentOptions, GateOptions } from './alignment';
import { AlignmentAndGate } from './alignment';
import { CfChannel, type Channel, LearnedChannel } from './channels';
import { learnedVectors, type Slots } from './methods/method';
import { HybridModel } from './model';

export interface BuildOptions {
  readonly seed: number;
  readonly lora: LoraOptions;
  readonly alg: AlignmentOptions;
  readonly gate: GateOptions;
  /** Of the method: how many learned vectors it has. Default: none. */
  readonly slots?: Slots;
}

/** Mean lengths of vectors, worth logging: they say how loud CF vectors enter the LLM. */
export interface NormReport {
  readonly tokenNorm: number;
  /** Of aligned item vectors, before any scaling. */
  readonly alignedNorm: number;
  /** Factor that `matchTokenNorm` applied to ALG's output layer; 1 otherwise. */
  readonly scale: number;
}

/**
 * Adds LoRA to the LLM, which stays as it is, ALG and GATE where there is a CF backend, and learned vectors where slots
 * have some. The model's `release` frees these; nothing stays allocated when this throws.
 *
 * @param backend null for methods on text alone.
 */
export async function buildHybridModel(
  base: LlamaModel,
  backend: CfBackend | null,
  options: BuildOptions,
): Promise<{ model: HybridModel; norms: NormReport | null }> {
  const { seed, lora, alg, gate } = options;
  const adapters = new LoraAdapters(base.device, base.config, lora, new RandomStream(seed, 'lora'));
  const llm = base.with({ adapters });
  const made: { release(): void }[] = [adapters];
  try {
    const learned = learnedVectors(options.slots ?? {});
    const channels: Channel[] = [];
    if (learned > 0) channels.push(new LearnedChannel(llm.device, learned, llm.config.hiddenSize, seed));
    made.push(...channels);
    if (backend === null) return { model: new HybridModel(llm, channels), norms: null };
    const shape = { cfDim: backend.cfDim, hiddenSize: llm.config.hiddenSize };
    const networks = new AlignmentAndGate(llm.device, shape, alg, gate, new RandomStream(seed, 'fusion'));
    made.push(networks.group);
    const norms = await measureNorms(llm, backend, networks);
    if (norms.scale !== 1) {
      const state = await readGroup(networks.group);
      for (const name of ['alg.output.weight', 'alg.output.bias']) {
        const { shape, data } = state.get(name)!;
        state.set(name, { shape, data: data.map((value) => value * norms.scale) });
      }
      writeGroup(networks.group, state, 'alg.init');
    }
    return { model: new HybridModel(llm, [new CfChannel(backend, networks), ...channels]), norms };
  } catch (error) {
    for (const part of made) part.release();
    throw error;
  }
}

/** Rows from which mean norms are estimated. */
const sampledRows = 1024;

async function measureNorms(llm: LlamaModel, backend: CfBackend, networks: AlignmentAndGate): Promise<NormReport> {
  using _ = llm.device.step();
  const spread = (count: number) => {
    const rows = Math.min(count, sampledRows);
    return Uint32Array.from({ length: rows }, (_, i) => Math.floor((i * count) / rows));
  };
  const seen = Uint32Array.from(backend.itemSeen.keys()).filter((item) => backend.itemSeen[item] === 1);
  const items = spread(seen.length).map((i) => seen[i]!);
  const tokenNorm = meanNorm(await llm.embed(spread(llm.config.vocabSize)).read(), llm.config.hiddenSize);
  if (items.length === 0) return { tokenNorm, alignedNorm: 0, scale: 1 };
  const aligned = await networks.align(backend.itemVectors(items)).read();
  const alignedNorm = meanNorm(aligned, llm.config.hiddenSize);
  const scale = networks.alignment.init === 'matchTokenNorm' && alignedNorm > 0 ? tokenNorm / alignedNorm : 1;
  return { tokenNorm, alignedNorm, scale };
}

function meanNorm(values: Float32Array, columns: number): number {
  const rows = values.length / columns;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let column = 0; column < columns; column++) squares += values[row * columns + column]! ** 2;
    sum += Math.sqrt(squares);
  }
  return sum / rows;
}
