/** Steps of a LoRA training whose prompts are as long as asked: what the host records for each of them. */
import type { Device } from '@crossgate/gpu';
import { LlamaModel, LoraAdapters, lastTokens, packSequences } from '@crossgate/llm';
import { Adam, RandomStream, Tape, yesNoLoss } from '@crossgate/tensor';
import { type ModelSizes, randomModel } from '../random-model';

/** A training that takes one step at a time. */
export interface LoraSteps {
  /** Records and submits a step on prompts of these lengths, in tokens. Does not wait for the device. */
  run(lengths: readonly number[]): void;
  /** Frees everything. */
  release(): void;
}

/** The adapters of published runs: rank 8 on queries and values, with dropout. */
const lora = { rank: 8, alpha: 16, dropout: 0.05, targets: ['q_proj', 'v_proj'] };

/** A model with weights of 16 bits, adapters, the paper's loss on Yes and No, and AdamW. */
export async function prepareLoraSteps(device: Device, sizes: ModelSizes, seed: number): Promise<LoraSteps> {
  const base = await LlamaModel.load(device, randomModel(sizes, seed), { weights: 'f16' });
  const adapters = new LoraAdapters(device, base.config, lora, new RandomStream(seed, 'lora steps'));
  const model = base.with({ adapters });
  const { group } = adapters;
  group.trainable = true;
  const optimizer = new Adam([group], { kind: 'adamw', learningRate: 1e-3 });
  const loss = { kind: 'eq5', k: 1, bprOn: 'probability', yesToken: 3, noToken: 4 } as const;
  let counter = 0;
  return {
    run: (lengths) => {
      const tokens = lengths.reduce((sum, length) => sum + length, 0);
      const ids = Uint32Array.from({ length: tokens }, (_, i) => 5 + (i % (sizes.vocabSize - 5)));
      const labels = Float32Array.from(lengths, (_, i) => i % 2);
      using _ = device.step();
      group.zeroGradients();
      using tape = new Tape();
      tape.record(() => {
        const batch = packSequences(device, lengths);
        const hidden = model.forward(model.embed(ids), batch, lastTokens(batch), { seed, counter: counter++ });
        return yesNoLoss(model.logits(hidden), labels, loss, 1 / lengths.length);
      });
      tape.backward();
      optimizer.step();
    },
    release: () => {
      optimizer.release();
      adapters.release();
      base.release();
    },
  };
}
