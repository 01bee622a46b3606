// Builds a method's model from its parts.
import type { CfBackend } from '@crossgate/cf';
import { type LlamaModel, LoraAdapters, type LoraOptions, type Tokenizer } from '@crossgate/llm';
import { RandomStream, readGroup, writeGroup } from '@crossgate/tensor';
import type { AlignmentOptions, GateOptions } from './alignment';
import { AlignmentAndGate } from './alignment';
import { CfChannel, type Channel, LearnedChannel } from './channels';
import { learnedVectors, type Slots, usesGate } from './methods/method';
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
  /**
   * Of the method: how many learned vectors it has, and whether it has a gate. Default: no learned vectors, and a gate.
   */
  readonly slots?: Slots;
  /** Of the LLM: rows of its embeddings without a token count for no norm. Default: every row counts. */
  readonly tokenizer?: Pick<Tokenizer, 'has'>;
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

/** The prefix of the names of a backend's values in states, where there are several: none for the first. */
export const backendPrefix = (index: number): string => (index === 0 ? '' : `backend${index + 1}.`);

/**
 * Builds a model: the LLM with LoRA adapters; an ALG and a GATE for each CF backend (eq. 7); learned vectors if slots
 * have some. The weights of the LLM are shared and do not change. The model's `release` frees the additions.
 *
 * @param base stays its owner's.
 * @param backends stay their owners'; none for methods on text alone. In states, names of the second begin with
 * `backend2.`
 * @returns the model, and the norms of each backend's vectors.
 * @throws InputError for options of LoRA or ALG out of range; OutOfMemoryError. Nothing is left allocated then.
 */
export async function buildHybridModel(
  base: LlamaModel,
  backends: readonly CfBackend[],
  options: BuildOptions,
): Promise<{ model: HybridModel; norms: readonly NormReport[] }> {
  const { seed, lora, slots = {} } = options;
  const adapters = new LoraAdapters(base.device, base.config, lora, new RandomStream(seed, 'lora'));
  const llm = base.with({ adapters });
  const channels: Channel[] = [];
  try {
    const norms: NormReport[] = [];
    for (const [index, backend] of backends.entries()) {
      const channel = cfChannel(backend, llm.config.hiddenSize, index, options);
      channels.push(channel);
      norms.push(await scaleToTokens(llm, channel, options.tokenizer));
    }
    const learned = learnedVectors(slots);
    if (learned > 0) channels.push(new LearnedChannel(llm.device, learned, llm.config.hiddenSize, seed));
    return { model: new HybridModel(llm, channels), norms };
  } catch (error) {
    for (const part of [adapters, ...channels]) part.release();
    throw error;
  }
}

/**
 * A backend with an ALG and a GATE at their initial values.
 * @param index of the backend, from 0: it draws the initial values, and says how names in states begin
 */
export function cfChannel(
  backend: CfBackend,
  hiddenSize: number,
  index: number,
  { seed, alg, gate, slots }: Pick<BuildOptions, 'seed' | 'alg' | 'gate' | 'slots'>,
): CfChannel {
  const { device } = backend.group;
  const random = new RandomStream(seed, `${backendPrefix(index)}fusion`);
  const shape = { cfDim: backend.cfDim, hiddenSize };
  const networks = new AlignmentAndGate(device, shape, alg, gateOf(gate, slots), random);
  for (const group of [networks.group, backend.group]) group.statePrefix = backendPrefix(index);
  return new CfChannel(backend, networks);
}

/** The gate of a method: none where no title is fused. */
export function gateOf(gate: GateOptions, slots: Slots | undefined): GateOptions {
  return slots === undefined || usesGate({ slots }) ? gate : { ...gate, width: 'one' };
}

/** Measures how long vectors are, and makes ALG's as long as tokens where `alg.init` asks for it. */
async function scaleToTokens(
  llm: LlamaModel,
  { backend, networks }: CfChannel,
  tokenizer: BuildOptions['tokenizer'],
): Promise<NormReport> {
  const norms = await measureNorms(llm, backend, networks, tokenizer);
  if (norms.scale === 1) return norms;
  const state = await readGroup(networks.group);
  for (const name of ['alg.output.weight', 'alg.output.bias']) {
    const { shape, data } = state.get(`${networks.group.statePrefix}${name}`)!;
    state.set(`${networks.group.statePrefix}${name}`, { shape, data: data.map((value) => value * norms.scale) });
  }
  writeGroup(networks.group, state, 'alg.init');
  return norms;
}

/** Rows from which mean norms are estimated. */
const sampledRows = 1024;

async function measureNorms(
  llm: LlamaModel,
  backend: CfBackend,
  networks: AlignmentAndGate,
  tokenizer: BuildOptions['tokenizer'],
): Promise<NormReport> {
  using _ = llm.device.step();
  const spread = (count: number) => {
    const rows = Math.min(count, sampledRows);
    return Uint32Array.from({ length: rows }, (_, i) => Math.floor((i * count) / rows));
  };
  const seen = Uint32Array.from(backend.itemSeen.keys()).filter((item) => backend.itemSeen[item] === 1);
  const items = spread(seen.length).map((i) => seen[i]!);
  const known = Uint32Array.from({ length: llm.config.vocabSize }, (_, id) => id).filter(
    (id) => tokenizer?.has(id) ?? true,
  );
  const tokens = spread(known.length).map((i) => known[i]!);
  const tokenNorm = meanNorm(await llm.embed(tokens).read(), llm.config.hiddenSize);
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
