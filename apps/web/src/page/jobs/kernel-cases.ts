/** The kernels' own benchmarks, which lie beside them. */
export { BenchContext, type KernelBench, kernelBenches } from '../../../../../packages/kernels/test/benches';
