// Builds a method's model from its parts.
import type { CfBackend } from '@crossgate/cf';
import { type LlamaModel, LoraAdapters, type LoraOptions } from '@crossgate/llm';
import { RandomStream, readGroup, writeGroup } from '@crossgate/tensor';
import type { AlignmentOptions, GateOptions } from './alignment';
import { AlignmentAndGate } from './alignment';
import { CfChannel, type Channel, LearnedChannel } from './channels';
import { learnedVectors, type Slots } from './methods/method';
import { HybridModel } from './model';

/** Settings of {@link buildHybridModel}. */
export interface BuildOptions {
  /** Seed of the initial values of LoRA, of ALG and GATE, and of learned vectors; each has a stream of its own. */
  readonly seed: number;
  /**
   * Settings of the LoRA adapters (Θ_L). The paper gives none; CoLLM has rank 8, alpha 16, dropout .05, q_proj and
   * v_proj.
   */
  readonly lora: LoraOptions;
  /** Settings of ALG (Θ_A). Read only with a CF backend. */
  readonly alg: AlignmentOptions;
  /** Settings of GATE (Θ_G). Read only with a CF backend. */
  readonly gate: GateOptions;
  /** Slots of the method, which say how many learned vectors it has. Default: no learned vectors. */
  readonly slots?: Slots;
}

/** Mean lengths (Euclidean norms) of vectors, worth logging: they say how strongly CF vectors enter the LLM. */
export interface NormReport {
  /** Mean norm of token embeddings, over at most 1,024 of them spread over the vocabulary. */
  readonly tokenNorm: number;
  /** Mean norm of aligned item vectors, over at most 1,024 seen items, before any scaling; 0 without seen items. */
  readonly alignedNorm: number;
  /** Factor that `matchTokenNorm` applied to the output layer of ALG; 1 without it. */
  readonly scale: number;
}

/**
 * Builds a model: the LLM with LoRA adapters; ALG and GATE if there is a CF backend; learned vectors if slots have
 * some. The weights of the LLM are shared and do not change. The model's `release` frees the additions.
 *
 * @param base stays its owner's.
 * @param backend stays its owner's; null for methods on text alone.
 * @returns the model, and the norms of its vectors; these are null without a backend.
 * @throws InputError for options of LoRA or ALG out of range; OutOfMemoryError. Nothing is left allocated then.
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

/** Most rows from which a mean norm is estimated. */
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
