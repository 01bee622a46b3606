/** @crossgate/core: what all packages agree on. Pure; depends on nothing. */
export { type ErrorCode, errorCodes } from './codes';
export { type DescribedError, describeError, explainError, isInputError } from './describe';
export {
  CrossgateError,
  type ErrorDetails,
  InputError,
  InterruptedError,
  NoAdapterError,
  NonFiniteLossError,
  throwIfInterrupted,
} from './errors';
export { float16ToFloat32, float32ToFloat16, halfBits } from './half';
export { didYouMean, editDistance, nearest } from './nearest';
export { philox4x32 } from './philox';
export { type Log, type Progress, type ProgressTask, silentLog, silentProgress } from './reporting';
export { sha256 } from './sha256';
export { terminalJson, terminalLine, terminalText } from './terminal-text';
export { alignColumns, decimals, formatDuration, significant, textTable } from './text-table';
