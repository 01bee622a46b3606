/** Items in the embedding space of a language model, by the model that the run scores with. */
import {
  type CfChannel,
  type HybridBatch,
  type HybridModel,
  type HybridPrompt,
  kinds,
  packPrompts,
} from '@crossgate/fusion';
import { embedding, fromHost, gatedFusion, type Tensor } from '@crossgate/tensor';

/** One CF backend of a run. */
export interface BackendEmbeddings {
  /** Name of the CF model, such as `mf`. */
  readonly name: string;
  /** [items, hiddenSize] aligned CF vectors, ALG(x_CF) (eq. 2). */
  readonly aligned: Float32Array;
  /**
   * [items, hiddenSize] α of the gate (eq. 3), mean over the tokens of the title; equal numbers in a row where the run
   * has one α for all dimensions. Null where no title is fused, or where α = 1.
   */
  readonly alpha: Float32Array | null;
}

/** Items in the embedding space of the language model. */
export interface ItemEmbeddings {
  /** Width of the embeddings. */
  readonly hiddenSize: number;
  /** [items, hiddenSize] embeddings of the title's tokens, a mean over these. */
  readonly title: Float32Array;
  /** [items, hiddenSize] the same of the fused title (eq. 4); null for a method that fuses no titles. */
  readonly fused: Float32Array | null;
  /** Each CF backend, in the order of `cf.run`. */
  readonly backends: readonly BackendEmbeddings[];
}

/** Items whose embeddings are computed in one step. */
const BATCH = 64;

/**
 * The embeddings of items, in batches.
 * @param names of the CF models of the channels
 * @param titles token ids of each item's title
 * @param isFused whether the method fuses titles
 */
export async function embedItems(
  model: HybridModel,
  names: readonly string[],
  items: Int32Array,
  titles: readonly Int32Array[],
  isFused: boolean,
): Promise<ItemEmbeddings> {
  const { hiddenSize } = model.llm.config;
  const table = () => new Float32Array(items.length * hiddenSize);
  const [title, fused] = [table(), isFused ? table() : null];
  const backends = model.cf.map(({ networks }, index) => ({
    name: names[index]!,
    aligned: table(),
    alpha: isFused && networks.gateCf !== null ? table() : null,
  }));
  for (let start = 0; start < items.length; start += BATCH) {
    const chosen = items.subarray(start, start + BATCH);
    const tokens = titles.slice(start, start + BATCH);
    const at = start * hiddenSize;
    const prompts = (kind: number) =>
      tokens.map(
        (tokenIds, i): HybridPrompt => ({
          tokenIds,
          kinds: new Uint8Array(tokenIds.length).fill(kind),
          entities: new Int32Array(tokenIds.length).fill(kind === kinds.text ? 0 : chosen[i]!),
        }),
      );
    using _ = model.llm.device.step();
    const lengths = tokens.map(({ length }) => length);
    const means = async (values: Tensor, into: Float32Array) =>
      into.set(meanRows(await values.read(), lengths, hiddenSize), at);
    if (lengths.every((length) => length === 0)) continue;
    const fusedBatch = packPrompts(prompts(kinds.title));
    await means(model.embed(packPrompts(prompts(kinds.text))), title);
    if (fused) await means(model.embed(fusedBatch), fused);
    for (const [index, { aligned, alpha }] of backends.entries()) {
      const channel = model.cf[index]!;
      aligned.set(await channel.networks.align(channel.backend.itemVectors(Uint32Array.from(chosen))).read(), at);
      if (alpha) await means(gateOf(model, channel, fusedBatch), alpha);
    }
  }
  return { hiddenSize, title, fused, backends };
}

/** α at each position, [tokens, hiddenSize]: what the fusion makes of vectors of ones and no tokens. */
function gateOf(
  { llm }: HybridModel,
  { backend, networks }: CfChannel,
  { items, titleTokens, positions }: HybridBatch,
): Tensor {
  const { hiddenSize } = llm.config;
  const rows = (count: number, value: number) =>
    fromHost(llm.device, [count, hiddenSize], new Float32Array(count * hiddenSize).fill(value));
  return gatedFusion(
    {
      tokenEmbeddings: rows(1, 0),
      aligned: rows(items.length, 1),
      gateCf: networks.gateCf!(networks.align(backend.itemVectors(items))),
      gateText: networks.gateText!(embedding(llm.tokenEmbeddings, titleTokens)),
      activation: networks.gate.activation,
    },
    { ...positions, tokenIds: new Int32Array(positions.tokenIds.length).fill(-1) },
  );
}

/** The mean of each group of consecutive rows; zero for a group without any. */
function meanRows(values: Float32Array, lengths: readonly number[], columns: number): Float32Array {
  const means = new Float32Array(lengths.length * columns);
  let row = 0;
  for (const [group, length] of lengths.entries()) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let i = row; i < row + length; i++) sum += values[i * columns + column]!;
      means[group * columns + column] = length === 0 ? 0 : sum / length;
    }
    row += length;
  }
  return means;
}
