/** A training in progress on the host: its tensors and, in the metadata of the file, its progress and settings. */
import { InputError } from '@crossgate/gpu';
import type { ByteSource, HostState } from '@crossgate/tensor';
import { encodeState, parseState } from '@crossgate/tensor';
import type { CfProgress } from './early-stopping';

/** What `CfTrainer.state` gives and `CfTrainer.restore` takes. */
export interface CfTrainingState {
  /** `model.NAME`, `optimizer.NAME.first` and `.second`, `best.NAME` for every parameter. */
  readonly tensors: HostState;
  /** `format`, and `progress` and `settings` as JSON. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Settings that must be the same for a training to resume with the same numbers. */
export type CfTrainingSettings = Readonly<Record<string, number | string>>;

const format = 'crossgate-cf-training-1';

/** The metadata of a state. */
export function trainingMetadata(progress: CfProgress, settings: CfTrainingSettings): Record<string, string> {
  return { format, progress: JSON.stringify(progress), settings: JSON.stringify(settings) };
}

/**
 * The progress of the training in a state.
 *
 * @param settings of the training that resumes.
 * @param source what the state was read from, for messages.
 * @throws InputError when it is no such state, or one with other settings, naming the first that differs.
 */
export function readProgress(state: CfTrainingState, settings: CfTrainingSettings, source: string): CfProgress {
  const { metadata } = state;
  if (metadata.format !== format) {
    throw new InputError(`it is no training state of this version (format ${metadata.format ?? 'missing'})`, {
      code: 'checkpoint.damaged',
      place: source,
    });
  }
  const saved = parseObject(metadata.settings, source);
  const { model } = saved;
  for (const name of new Set([...Object.keys(settings), ...Object.keys(saved)])) {
    // Older states do not name their model.
    if (saved[name] === settings[name] || (name === 'model' && model === undefined)) continue;
    const [then, now] = [saved[name], settings[name]].map((value) => String(value ?? 'of the default'));
    throw new InputError(`it was trained with ${name} ${then}, now ${now} is asked for`, {
      code: 'run.other-config',
      place: source,
      fix: 'start a new run',
    });
  }
  const { epoch, steps, bestEpoch, bestAuc } = parseObject(metadata.progress, source);
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isCount(epoch) || !isCount(steps) || !isCount(bestEpoch) || bestEpoch > epoch) {
    throw new InputError(`its progress is damaged: ${metadata.progress ?? 'missing'}`, {
      code: 'checkpoint.damaged',
      place: source,
    });
  }
  return { epoch, steps, bestEpoch, bestAuc: typeof bestAuc === 'number' ? bestAuc : null };
}

function parseObject(json: string | undefined, source: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json ?? '');
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Reported below, as is JSON of another kind.
  }
  throw new InputError('the metadata of a training state are damaged or missing', {
    code: 'checkpoint.damaged',
    place: source,
  });
}

/** Writes the state as a safetensors file, piece by piece. */
export function encodeTrainingState(state: CfTrainingState): AsyncGenerator<Uint8Array, void, undefined> {
  return encodeState(state.tensors, state.metadata);
}

/** Reads a file that {@link encodeTrainingState} wrote. @throws InputError naming the file when it is damaged. */
export async function parseTrainingState(source: ByteSource): Promise<CfTrainingState> {
  const { state, metadata } = await parseState(source);
  return { tensors: state, metadata };
}
