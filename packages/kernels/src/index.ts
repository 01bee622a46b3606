/// <reference path="./wgsl.d.ts" />
// Readable WGSL kernels for training and inference, each with a typed launcher.
export * from './adam/adam';
export * from './bce/bce';
export * from './elementwise/elementwise';
export * from './gather/gather';
export * from './reduce/reduce';
export * from './row-dot/row-dot';
export * from './segment-sum/segment-sum';
export * from './segment-sum/segments';
export * from './rmsnorm/rmsnorm';
export * from './swiglu/swiglu';
export * from './rope/rope';
export * from './matmul/matmul';
export * from './column-sum/column-sum';
export * from './attention/attention';
