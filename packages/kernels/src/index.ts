/// <reference path="./wgsl.d.ts" />
// Readable WGSL kernels for training and inference, each with a typed launcher.
export * from './adam/adam';
export * from './argmax/argmax';
export * from './attention/attention';
export { checkMatrixAttention } from './attention/matrix-self-test';
export { type BatchLayout, batchStride } from './batches';
export * from './bce/bce';
export * from './column-sum/column-sum';
export * from './cross-entropy/cross-entropy';
export * from './dequantize/dequantize';
export * from './dropout/dropout';
export * from './elementwise/elementwise';
export {
  type GateActivation,
  type GatedFusionArguments,
  type GatedFusionShape,
  gatedFusion,
} from './gated-fusion/gated-fusion';
export * from './gated-fusion/gated-fusion-backward';
export * from './gather/gather';
export * from './layernorm/layernorm';
export * from './log-sum-exp/log-sum-exp';
export * from './loss-scale/loss-scale';
export * from './matmul/matmul';
export { checkMatrixUnits } from './matmul/matrix-self-test';
export * from './matmul-ladder/matmul-ladder';
export * from './narrow/narrow';
export { type NormArguments, type NormBackwardArguments, type NormPlan, planNorm } from './norm';
export * from './norm-weight/norm-weight';
export type { PlanCapabilities } from './plan';
export * from './random-fill/random-fill';
export * from './reduce/reduce';
export * from './rmsnorm/rmsnorm';
export * from './rope/rope';
export * from './row-dot/row-dot';
export type { RowWalkPlan } from './row-walk';
export * from './sample-negatives/sample-negatives';
export * from './segment-sum/segment-sum';
export * from './segment-sum/segments';
export { shuffledRow, shuffleRounds } from './shuffle/permutation';
export * from './shuffle/shuffle';
export { rowsPerBinding } from './slices';
export * from './softmax/softmax';
export * from './sorted-segments/sorted-segments';
export * from './sparse-propagation/sparse-propagation';
export * from './swiglu/swiglu';
export * from './top-k/top-k';
export * from './yes-no-loss/yes-no-loss';
