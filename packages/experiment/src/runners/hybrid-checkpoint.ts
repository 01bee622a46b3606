/** Checkpoints of LLM-based methods, and the files a finished one leaves: adapter/, fusion.safetensors. */

import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import type { BestState, HybridModel, TrainerState } from '@crossgate/fusion';
import { encodePeftAdapter } from '@crossgate/llm';
import { encodeState, type HostState, parseState, readGroup } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { z } from 'zod';
import type { ExperimentConfig } from '../config/schema';
import type { RunFolder } from '../runs/run-folder';
import { cfCheckpoint } from './cf-phase';

const count = z.int().nonnegative();
const lossScaleState = z.strictObject({
  scale: z.number().positive(),
  goodSteps: count,
  skippedSteps: count,
  skippedInRow: count,
  updates: count,
});

/** What `checkpoints/last.json` holds while an LLM is trained. The tensors have the prefix of their part. */
const hybridCheckpoint = z.strictObject({
  phase: z.literal('hybrid'),
  stage: count,
  step: count,
  optimizerSteps: count,
  evaluationsSinceBest: count,
  lossScale: lossScaleState.nullable().default(null),
  fellBack: z.boolean().default(false),
  best: z.strictObject({ stage: count, step: count, auc: z.number().min(0).max(1) }).nullable(),
  origin: z.strictObject({ run: z.string(), stages: count }).nullable().default(null),
});
type HybridCheckpoint = z.output<typeof hybridCheckpoint>;

/** The run that the first stages of a training were taken from, and how many; null where it trained all of them. */
export type StageOrigin = HybridCheckpoint['origin'];

const PARTS = ['parameters', 'moments', 'best'] as const;

/** Saves `last`, and `best` too when `newBest` says so. */
export async function saveHybridCheckpoint(
  run: RunFolder,
  state: TrainerState,
  newBest: boolean,
  origin: StageOrigin,
): Promise<void> {
  const { stage, step, optimizerSteps, evaluationsSinceBest, lossScale = null, fellBack = false } = state;
  const best = state.best && { stage: state.best.stage, step: state.best.step, auc: state.best.auc };
  if (newBest && state.best !== null) {
    const { parameters } = state.best;
    await run.saveCheckpoint('best', best, encodeState(parameters));
  }
  const tensors: HostState = new Map();
  const parts = { parameters: state.parameters, moments: state.moments, best: state.best?.parameters };
  for (const part of PARTS) for (const [name, value] of parts[part] ?? []) tensors.set(`${part}.${name}`, value);
  const last: HybridCheckpoint = {
    phase: 'hybrid',
    ...{ stage, step, optimizerSteps, evaluationsSinceBest, lossScale, fellBack, best, origin },
  };
  await run.saveCheckpoint('last', last, encodeState(tensors));
}

/**
 * The state to go on from, or undefined when the run has none yet.
 * @param stages number of stages of the method
 * @throws InputError for a checkpoint of another method, and for one that is damaged
 */
export async function readHybridCheckpoint(
  run: RunFolder,
  stages: number,
): Promise<{ state: TrainerState; origin: StageOrigin } | undefined> {
  const inRange = hybridCheckpoint.refine(({ stage }) => stage < stages, { path: ['stage'] });
  const checkpoint = await run.readCheckpoint('last', z.discriminatedUnion('phase', [cfCheckpoint, inRange]));
  if (checkpoint === undefined || checkpoint.state.phase !== 'hybrid') return undefined;
  const source = await openFile(checkpoint.weights);
  const { state } = await parseState(source).finally(() => source.close());
  const parts = { parameters: new Map(), moments: new Map(), best: new Map() } satisfies Record<string, HostState>;
  for (const [name, value] of state) {
    const part = PARTS.find((candidate) => name.startsWith(`${candidate}.`));
    if (part === undefined) {
      throw new InputError(`has an unknown tensor ${name}`, { code: 'checkpoint.damaged', place: checkpoint.weights });
    }
    parts[part].set(name.slice(part.length + 1), value);
  }
  const { best, origin, phase: _, ...rest } = checkpoint.state;
  const bestState: BestState | null = best && { ...best, parameters: parts.best };
  return {
    state: { ...rest, parameters: parts.parameters, moments: parts.moments, best: bestState },
    origin,
  };
}

/** Writes what the trained model consists of besides the base model: LoRA as a PEFT folder; ENC, ALG and GATE in one file. */
export async function writeModelFiles(run: RunFolder, model: HybridModel, config: ExperimentConfig): Promise<void> {
  const { adapters } = model.llm;
  if (adapters) {
    // The model's name as the user gave it: where it lies on this machine is nobody else's business.
    const adapter = { options: config.lora, state: await readGroup(adapters.group), baseModel: config.llm.path };
    for (const [name, content] of encodePeftAdapter(adapter)) {
      await run.write(join('adapter', name), content);
    }
  }
  if (model.channels.length > 0) {
    const state: HostState = new Map();
    const groups = model.groups();
    for (const name of ['cf', 'fusion', 'learned'] as const) {
      for (const group of groups.get(name) ?? []) {
        for (const [parameter, value] of await readGroup(group)) state.set(parameter, value);
      }
    }
    for (const { backend } of model.cf) {
      const { userSeen, itemSeen, group } = backend;
      const flags = { user_seen: userSeen, item_seen: itemSeen };
      for (const [name, seen] of Object.entries(flags)) {
        state.set(`${group.statePrefix}${name}`, { shape: [seen.length], data: Float32Array.from(seen) });
      }
    }
    await run.write('fusion.safetensors', encodeState(state));
  }
}
