/** @crossgate/train: the `crossgate` command as a library. */
export { drawRun } from './charts/run-curves';
export { buildProgram, main } from './cli';
export { type LoadOptions, loadConfig } from './config/load';
export {
  configJsonSchema,
  configSchema,
  type ExperimentConfig,
  METHOD_NAMES,
  type StageConfig,
} from './config/schema';
export { type CommandContext, createContext, type GlobalOptions } from './context';
export { ExitCode, exitCodeOf, InputError, InterruptedError, throwIfInterrupted } from './errors';
export { type ExperimentResult, type RunOptions, runExperiment } from './experiment';
export type { Io } from './io';
export type { Information, Method, MethodContext, MethodOutcome, OpenMethod } from './methods';
export { type Predictions, readPredictions, type Scores } from './predictions';
export { type Progress, type ProgressTask, silentProgress } from './progress';
export { readResult, type StoredResult } from './runs/result';
export { type Checkpoint, type Provenance, RunFolder, type RunState } from './runs/run-folder';
