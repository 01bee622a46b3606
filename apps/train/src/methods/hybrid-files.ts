/** What a hybrid run keeps on disk: checkpoints of the trainer, the PEFT adapter, and the fusion networks. */
import { join } from 'node:path';
import type { HybridModel, TrainerState } from '@crossgate/fusion';
import { encodeState, type HostState, parseState, readGroup } from '@crossgate/tensor';
import { openFile, writeFileAtomic } from '@crossgate/tensor/node';
import type { ExperimentConfig } from '../config/schema';
import type { RunFolder } from '../runs/run-folder';

/** The JSON beside a checkpoint's tensors. */
interface HybridCheckpoint {
  readonly kind: 'hybrid';
  readonly stage: number;
  readonly step: number;
  readonly optimizerSteps: number;
  readonly evaluationsSinceBest: number;
  readonly best: { readonly stage: number; readonly step: number; readonly auc: number } | null;
  /** How the CF model was trained, for result.json. */
  readonly cf: Readonly<Record<string, unknown>> | null;
}

/** Saves the trainer's state: `parameters.NAME`, `moments.NAME` and `best.NAME`. */
export async function saveHybridCheckpoint(
  run: RunFolder,
  state: TrainerState,
  cf: Readonly<Record<string, unknown>> | null,
): Promise<void> {
  const { parameters, moments, best, stage, step, optimizerSteps, evaluationsSinceBest } = state;
  const tensors: HostState = new Map();
  for (const [prefix, part] of [
    ['parameters', parameters],
    ['moments', moments],
    ['best', best?.parameters ?? new Map()],
  ] as const) {
    for (const [name, value] of part) tensors.set(`${prefix}.${name}`, value);
  }
  const json: HybridCheckpoint = {
    kind: 'hybrid',
    stage,
    step,
    optimizerSteps,
    evaluationsSinceBest,
    best: best && { stage: best.stage, step: best.step, auc: best.auc },
    cf,
  };
  await run.saveCheckpoint('last', json, (path) => writeFileAtomic(path, encodeState(tensors, {})));
}

/** The trainer's state at the last checkpoint; undefined when there is none, or CF is still training. */
export async function readHybridCheckpoint(run: RunFolder): Promise<TrainerState | undefined> {
  const stored = await run.readCheckpoint<HybridCheckpoint | { kind: 'cf' }>('last');
  if (stored?.state.kind !== 'hybrid') return undefined;
  const file = await openFile(stored.weights);
  try {
    const { state: tensors } = await parseState(file);
    const part = (prefix: string): HostState => {
      const chosen: HostState = new Map();
      for (const [name, value] of tensors) {
        if (name.startsWith(`${prefix}.`)) chosen.set(name.slice(prefix.length + 1), value);
      }
      return chosen;
    };
    const { stage, step, optimizerSteps, evaluationsSinceBest, best } = stored.state;
    return {
      stage,
      step,
      optimizerSteps,
      evaluationsSinceBest,
      parameters: part('parameters'),
      moments: part('moments'),
      best: best && { ...best, parameters: part('best') },
    };
  } finally {
    await file.close();
  }
}

/** Writes `adapter/` in PEFT's layout, and `fusion.safetensors` (ENC, ALG, GATE) where there is a CF side. */
export async function saveModelFiles(run: RunFolder, model: HybridModel, config: ExperimentConfig): Promise<void> {
  const groups = model.groups();
  const lora = groups.get('lora');
  if (lora) {
    const adapter: HostState = new Map();
    for (const [name, value] of await readGroup(lora)) adapter.set(`base_model.model.${name}`, value);
    const { rank, alpha, dropout, targets } = config.lora;
    const description = {
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: config.llm.path,
      r: rank,
      lora_alpha: alpha,
      lora_dropout: dropout,
      target_modules: targets,
      bias: 'none',
      fan_in_fan_out: false,
      inference_mode: true,
    };
    await run.writeWith(join('adapter', 'adapter_model.safetensors'), (path) =>
      writeFileAtomic(path, encodeState(adapter, { format: 'pt' })),
    );
    await run.write(join('adapter', 'adapter_config.json'), `${JSON.stringify(description, null, 2)}\n`);
  }
  const fusion: HostState = new Map();
  for (const name of ['fusion', 'cf'] as const) {
    const group = groups.get(name);
    if (group) for (const [key, value] of await readGroup(group)) fusion.set(key, value);
  }
  if (fusion.size > 0) {
    await run.writeWith('fusion.safetensors', (path) => writeFileAtomic(path, encodeState(fusion, {})));
  }
}
