/** A training step of LoRA on a LLaMA of random weights, as a case for peers. */
import type { Device } from '@crossgate/gpu';
import { configFromHuggingFace, expectedTensors, LlamaModel, LoraAdapters, packSequences } from '@crossgate/llm';
import {
  Adam,
  type AdamOptions,
  crossEntropy,
  persistent,
  RandomStream,
  releasePersistent,
  Tape,
  type Tensor,
} from '@crossgate/tensor';
import type { HostArray, LoraSizes, PreparedCase } from './work';

/** Scaled so that activations keep their size from layer to layer; norms are near 1, and differ. */
export function initialWeights(
  random: RandomStream,
  name: string,
  shape: readonly number[],
): Float32Array<ArrayBuffer> {
  const count = shape.reduce((product, length) => product * length, 1);
  const columns = shape.at(-1)!;
  if (shape.length === 1) return Float32Array.from({ length: count }, () => 1 + 0.1 * (random.uniform() - 0.5));
  const scale = name.includes('embed_tokens') ? 0.5 : Math.sqrt(3 / columns);
  return Float32Array.from({ length: count }, () => scale * (2 * random.uniform() - 1));
}

/**
 * Prepares the case. Inputs are the weights and adapters by their Hugging Face and PEFT names, tokens, and targets.
 * @throws OutOfMemoryError with the sizes; nothing stays allocated then
 */
export function prepareLoraStep(
  device: Device,
  seed: number,
  sizes: LoraSizes,
  options: Omit<AdamOptions, 'kind'>,
): PreparedCase {
  const { sequences, length, vocabSize, rank } = sizes;
  const config = configFromHuggingFace(
    {
      ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', tie_word_embeddings: true },
      ...{ hidden_size: sizes.hiddenSize, intermediate_size: sizes.feedForward, num_hidden_layers: sizes.layers },
      ...{ num_attention_heads: sizes.heads, num_key_value_heads: sizes.heads, vocab_size: vocabSize },
      ...{ max_position_embeddings: length, rms_norm_eps: 1e-5, rope_theta: 10_000, bos_token_id: 1, eos_token_id: 2 },
    },
    'the LoRA benchmark',
  );
  const random = new RandomStream(seed, 'lora step');
  const inputs: Record<string, HostArray> = {};
  /** What is held, in the order of allocation. */
  const held: { release(): void }[] = [];
  const hold = <T extends { release(): void }>(made: T): T => {
    held.push(made);
    return made;
  };
  const release = () => {
    for (const each of held.reverse()) each.release();
  };
  const allocate = () => {
    const weights = new Map<string, Tensor>();
    for (const [name, shape] of expectedTensors(config)) {
      const data = initialWeights(random, name, shape);
      inputs[name] = { shape, data };
      const weight = persistent(device, shape, 'weights', data);
      hold({ release: () => releasePersistent(weight) });
      weights.set(name, weight);
    }
    const base = hold(LlamaModel.over(device, config, weights));
    const lora = { rank, alpha: 2 * rank, dropout: 0, targets: ['q_proj', 'v_proj'] };
    const adapters = hold(new LoraAdapters(device, config, lora, random));
    adapters.group.trainable = true;
    const optimizer = hold(new Adam([adapters.group], { ...options, kind: 'adamw' }));
    return { model: base.with({ adapters }), group: adapters.group, optimizer };
  };
  const { model, group, optimizer } = orRelease(allocate, release);
  for (const { name, shape, slice } of group.parameters) {
    // B too: with zeros there, as training starts, A would have no gradient to compare.
    const data = initialWeights(random, name, shape);
    inputs[name] = { shape, data };
    device.recorder.write(slice, data);
  }
  const tokens = Uint32Array.from({ length: sequences * length }, () => Math.floor(vocabSize * random.uniform()));
  // The last token of a sequence has no next one.
  const rows = Uint32Array.from(tokens.keys()).filter((row) => row % length !== length - 1);
  const targets = rows.map((row) => tokens[row + 1]!);
  inputs.tokens = { shape: [sequences, length], data: Int32Array.from(tokens) };
  inputs.targets = { shape: [sequences, length - 1], data: Int32Array.from(targets) };

  const lengths = new Array<number>(sequences).fill(length);
  const train = () => {
    group.zeroGradients();
    using tape = new Tape();
    const losses = tape.record(() => {
      const hidden = model.forward(model.embed(tokens), packSequences(device, lengths), rows);
      return crossEntropy(model.logits(hidden), targets, 1 / rows.length);
    });
    tape.backward();
    return losses;
  };
  return {
    inputs,
    check: async () => {
      const outputs: Record<string, HostArray> = {};
      const step = device.step();
      try {
        const losses = await train().read();
        const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
        outputs.loss = { shape: [1], data: Float32Array.of(mean) };
        for (const { name, shape, gradient } of group.parameters) {
          const data = new Float32Array(await device.recorder.read(gradient));
          outputs[`gradient:${name}`] = { shape, data };
        }
      } finally {
        step.end();
      }
      return outputs;
    },
    record: () => {
      using _ = device.step();
      train();
      optimizer.step();
    },
    release,
  };
}

/** What `allocate` returns. @throws what it throws, after `release` */
function orRelease<T>(allocate: () => T, release: () => void): T {
  try {
    return allocate();
  } catch (error) {
    release();
    throw error;
  }
}
