/**
 * The benchmarks of @crossgate/kernels. They lie beside their kernels and are no part of that package, so it has no
 * name for them.
 */
export { BenchContext, type KernelBench, kernelBenches } from '../../../../packages/kernels/test/benches';
