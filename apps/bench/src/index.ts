/** The measurements behind `crossgate-bench`, for use from code. */
export { type Ceilings, measureCeilings } from './ceilings/ceilings';
export { kernelBenches } from './kernels';
export type { BenchContext, KernelBench } from './kernels/bench';
export { type KernelResult, runKernelBenches } from './kernels/run';
export { type Measurement, type MeasureOptions, measure } from './measure';
export type { PeerResult, PeersReport } from './peers/run';
export type { VerifyResult } from './verify/rows';
