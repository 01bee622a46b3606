/** Training steps of language models whose weights are made on the device, on prompts as long as asked. */
import type { Device, Program } from '@crossgate/gpu';
import { LlamaModel, LoraAdapters, lastTokens, type PackedBatch, packSequences } from '@crossgate/llm';
import {
  Adam,
  crossEntropy,
  type Indices,
  indexCount,
  LossScaler,
  type LossScalerState,
  type Precision,
  RandomStream,
  releaseWeight,
  StepInputs,
  Tape,
  type Tensor,
  uploadIndices,
  type YesNoLossOptions,
  yesNoLoss,
} from '@crossgate/tensor';
import { configOf, type ModelSizes } from '../random-model';
import { randomParameters, randomWeights, type WeightType } from './device-weights';

/** A training that takes one step at a time, and can replay a captured one. */
export interface ReplayableSteps extends ModelSteps {
  /**
   * As `run`, by a program: it is captured at the first call, and then replayed, on as many prompts of as many tokens in
   * all.
   */
  replay(lengths: readonly number[]): void;
}

/** A training that takes one step at a time. */
export interface ModelSteps {
  /** Records and submits a step on prompts of these lengths, in tokens. Does not wait for the device. */
  run(lengths: readonly number[]): void;
  /** The mean loss on such prompts as the model is now, without dropout. */
  loss(lengths: readonly number[]): Promise<number>;
  /** The loss scale after the steps so far; null where there is none. Waits for the device. */
  lossScale(): Promise<LossScalerState | null>;
  /** Frees everything. */
  release(): void;
}

/** What may differ between trainings of LoRA. */
export interface LoraStepOptions {
  /** Of the frozen matrices. Default `f16`. */
  readonly weights?: WeightType;
  /** Whether layers are computed again in the backward pass. Default false. */
  readonly checkpointing?: boolean;
  /** In which type linear layers multiply. With f16, the loss has a scale, as in a training. Default `f32`. */
  readonly precision?: Precision;
}

/** The adapters of published runs: rank 8 on queries and values, with dropout. */
export const loraSettings = { rank: 8, alpha: 16, dropout: 0.05, targets: ['q_proj', 'v_proj'] };
/** The paper's loss on Yes and No. */
const answerLoss: YesNoLossOptions = { kind: 'eq5', k: 1, bprOn: 'probability', yesToken: 3, noToken: 4 };

/** Token ids of a batch: each sequence counts up from a place of its own. */
export function tokensOf(lengths: readonly number[], vocabSize: number): Uint32Array<ArrayBuffer> {
  const ids = lengths.flatMap((length, sequence) =>
    Array.from({ length }, (_, i) => 5 + ((i + 97 * sequence) % (vocabSize - 5))),
  );
  return Uint32Array.from(ids);
}

/** What a step of LoRA reads. */
interface LoraInputs {
  readonly batch: PackedBatch;
  readonly ids: Indices;
  /** The last token of each prompt. */
  readonly answers: Indices;
  readonly labels: Float32Array | Tensor;
}

/** A frozen model with adapters: forward pass, the paper's loss on Yes and No, backward pass and AdamW. */
export function prepareLoraSteps(
  device: Device,
  sizes: ModelSizes,
  seed: number,
  { weights: type = 'f16', checkpointing = false, precision = 'f32' }: LoraStepOptions = {},
): ReplayableSteps {
  const config = configOf(sizes);
  const weights = randomWeights(device, config, type, seed);
  const base = LlamaModel.over(device, config, weights);
  const adapters = new LoraAdapters(device, config, loraSettings, new RandomStream(seed, 'lora steps'));
  const model = base.with({ adapters, checkpointing, precision });
  const { group } = adapters;
  group.trainable = true;
  const optimizer = new Adam([group], { kind: 'adamw', learningRate: 1e-3 });
  const scaler = precision === 'f16' ? new LossScaler(device) : undefined;
  const counter = { value: 0 };
  const labelsOf = (lengths: readonly number[]) => Float32Array.from(lengths, (_, i) => i % 2);
  const forward = ({ batch, ids, answers, labels }: LoraInputs, dropout: boolean): Tensor => {
    const hidden = model.forward(model.embed(ids), batch, answers, dropout ? { seed, counter } : undefined);
    return yesNoLoss(model.logits(hidden), labels, answerLoss, 1 / indexCount(answers)).losses;
  };
  /** Inputs of one step, uploaded in it. */
  const ofStep = (lengths: readonly number[]): LoraInputs => {
    const batch = packSequences(device, lengths);
    const ids = tokensOf(lengths, sizes.vocabSize);
    return { batch, ids, answers: lastTokens(batch), labels: labelsOf(lengths) };
  };
  const inputs = new StepInputs(device);
  /** Inputs of captured steps, uploaded before them. */
  const ofReplay = (lengths: readonly number[]): LoraInputs => {
    const { upload } = inputs;
    inputs.next();
    const batch = packSequences(device, lengths, 0, upload);
    return {
      batch,
      ids: { indices: upload([batch.tokens], tokensOf(lengths, sizes.vocabSize)), segments: null },
      answers: uploadIndices(upload, lastTokens(batch)),
      labels: upload([lengths.length], labelsOf(lengths)),
    };
  };
  const step = (inputsOf: () => LoraInputs) => {
    using _ = device.step();
    group.zeroGradients();
    using tape = new Tape({ lossScale: scaler?.scale });
    tape.record(() => forward(inputsOf(), true));
    tape.backward();
    optimizer.step(undefined, scaler);
  };
  let program: Program | null = null;
  return {
    run: (lengths) => {
      step(() => ofStep(lengths));
      counter.value++;
    },
    replay: (lengths) => {
      const uploaded = ofReplay(lengths);
      if (program) optimizer.replayStep(program, undefined, scaler);
      else program = device.capture(() => step(() => uploaded));
      counter.value++;
    },
    loss: (lengths) => meanOf(device, () => forward(ofStep(lengths), false)),
    lossScale: () => scaler?.read() ?? Promise.resolve(null),
    release: () => {
      program?.[Symbol.dispose]();
      inputs[Symbol.dispose]();
      scaler?.release();
      optimizer.release();
      adapters.release();
      base.release();
      for (const weight of weights.values()) releaseWeight(weight);
    },
  };
}

/**
 * A model of which every weight gets a gradient: forward pass, cross entropy of the next token, and backward pass. No
 * update, so that every step computes the same.
 */
export function prepareWholeSteps(device: Device, sizes: ModelSizes, seed: number): ModelSteps {
  const config = configOf(sizes);
  const group = randomParameters(device, config, seed);
  group.trainable = true;
  const model = LlamaModel.over(device, config, new Map(group.parameters.map((each) => [each.name, each])));
  const forward = (lengths: readonly number[]): Tensor => {
    const ids = tokensOf(lengths, sizes.vocabSize);
    const batch = packSequences(device, lengths);
    const ends = new Set(lastTokens(batch));
    // The last token of a sequence has no next one.
    const rows = Uint32Array.from([...ids.keys()].filter((row) => !ends.has(row)));
    const targets = rows.map((row) => ids[row + 1]!);
    return crossEntropy(model.logits(model.forward(model.embed(ids), batch, rows)), targets, 1 / rows.length);
  };
  return {
    run: (lengths) => {
      using _ = device.step();
      group.zeroGradients();
      using tape = new Tape();
      tape.record(() => forward(lengths));
      tape.backward();
    },
    loss: (lengths) => meanOf(device, () => forward(lengths)),
    lossScale: () => Promise.resolve(null),
    release: () => {
      model.release();
      group.release();
    },
  };
}

/** The mean of what `record` gives, in a step of its own. */
async function meanOf(device: Device, record: () => Tensor): Promise<number> {
  const step = device.step();
  try {
    const values = await record().read();
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  } finally {
    step.end();
  }
}
