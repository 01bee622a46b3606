/** @crossgate/setup: a GPU driver for Dawn on this machine, or a software one in the user's cache. Node only. */
export { type Gpu, type Kind, keptGpu, kinds, NoGpuError, resolveGpu } from './resolve.mjs';
export { runToEnd } from './run-to-end.mjs';
export { startWithGpu } from './start-with-gpu.mjs';
