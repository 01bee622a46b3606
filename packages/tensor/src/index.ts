// Tensors, automatic differentiation, modules and optimizers on WebGPU.
export {
  dequantize,
  type QuantizedMatrixFormat,
  quantizedLayout,
  type StoredFormatName,
  storedFormats,
} from '@crossgate/kernels';
export * from './files';
export * from './finite';
export * from './modules';
export * from './ops/index';
export * from './optim/adam';
export * from './optim/gradient-reduction';
export * from './optim/loss-scaler';
export * from './optim/schedule';
export * from './parameters';
export { type Precision, usablePrecision } from './precision';
export * from './quantized';
export * from './random';
export type { ActivationStorage, SavedOptions } from './saved';
export * from './state';
export * from './state-file';
export * from './step-inputs';
export * from './step-programs';
export * from './tape';
export * from './tensor';
