/** The measurements behind `crossgate-bench`, for use from code. */
export { type Ceilings, measureCeilings } from './ceilings/ceilings';
export { type BenchContext, type KernelBench, kernelBenches } from './kernels';
export { type KernelResult, runKernelBenches } from './kernels/run';
export { type Measurement, type MeasureOptions, measure } from './measure';
export type { PeerStatus } from './peers/peer';
export type { PeerResult, PeersReport } from './peers/run';
export type { VerifyResult } from './verify/rows';
