// Weights that an adapter's file has whole, in place of the base model's.
import type { HostState } from '@crossgate/tensor';
import type { ReadOptions, WeightSource } from '../formats/source';

/** What of an adapter says which weights it replaces. */
export interface AdapterWeights {
  /** Updates of LoRA, by their names; see `PeftAdapter`. */
  readonly state: HostState;
  /** Weights that replace those of the model, by their names. Absent: none. */
  readonly saved?: HostState;
}

const [embeddings, head] = ['model.embed_tokens.weight', 'lm_head.weight'];

/**
 * A model's weights with those of an adapter in their place (PEFT's modules_to_save), as the update of LoRA stands on
 * them. Embeddings and head that were one are two afterwards, unless the head is adapted by LoRA: its file has the
 * shared weight. Closing it closes the base.
 */
export function withSavedWeights(base: WeightSource, { state, saved = new Map() }: AdapterWeights): WeightSource {
  if (saved.size === 0) return base;
  const replaced: HostState = new Map(saved);
  let source = base;
  if (base.config.tieWordEmbeddings) {
    const own = saved.get(head!);
    if (own && !saved.has(embeddings!) && state.has('lm_head.lora_A.weight')) {
      replaced.set(embeddings!, own).delete(head!);
    } else if (own || saved.has(embeddings!)) source = withOwnHead(base);
  }
  const tensors = new Map(source.tensors);
  for (const [name, { shape }] of replaced) tensors.set(name, { shape, dtype: 'F32' });
  const read = async function* (name: string, options?: ReadOptions) {
    const weight = replaced.get(name);
    if (!weight) return yield* source.read(name, options);
    const columns = weight.shape[1] ?? 1;
    const size = columns * Math.max(1, Math.floor((options?.chunkBytes ?? 4 * weight.data.length) / (4 * columns)));
    for (let offset = 0; offset < weight.data.length; offset += size) {
      yield { offset, data: weight.data.subarray(offset, offset + size) };
    }
  };
  const { readStored } = source;
  return {
    ...source,
    tensors,
    read,
    ...(readStored && {
      readStored: async function* (name, options) {
        if (!replaced.has(name)) return yield* readStored(name, options);
        for await (const { offset, data } of read(name, options)) {
          yield { offset, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
        }
      },
    }),
    readAll: async (name) => replaced.get(name)?.data ?? (await source.readAll(name)),
  };
}

/** A model whose head is a weight of its own, with the values of the embeddings where it shared them. */
export function withOwnHead(base: WeightSource): WeightSource {
  if (!base.config.tieWordEmbeddings) return base;
  const of = (name: string) => (name === head ? embeddings! : name);
  const { readStored } = base;
  return {
    ...base,
    config: { ...base.config, tieWordEmbeddings: false },
    tensors: new Map([...base.tensors, [head!, base.tensors.get(embeddings!)!]]),
    read: (name, options) => base.read(of(name), options),
    ...(readStored && { readStored: (name, options) => readStored(of(name), options) }),
    readAll: (name) => base.readAll(of(name)),
  };
}
