/// <reference types="@webgpu/types" />
// WebGPU devices, memory, command recording and profiling for compute.
export * from './byte-sizes';
export * from './capabilities';
export * from './device';
export * from './errors';
export * from './kernel';
export * from './memory';
export { type BrowserDeviceOptions, openDevice } from './open-device';
export type { CompileProgress } from './pipelines';
export * from './preprocess';
export * from './profiler/index';
export { Program } from './program';
export { Recorder } from './recorder';
export type { Wait } from './wait';
