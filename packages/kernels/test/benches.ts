/**
 * Every benchmark of a kernel, by the kernel's folder. The kernels' benchmarks lie beside them and are no part of the
 * package; apps/bench takes this list, and a test of it finds a kernel whose benchmark is missing here.
 */
import { benches as adam } from '../src/adam/adam.bench';
import { benches as argmax } from '../src/argmax/argmax.bench';
import { benches as attention } from '../src/attention/attention.bench';
import { benches as bce } from '../src/bce/bce.bench';
import { benches as columnSum } from '../src/column-sum/column-sum.bench';
import { benches as crossEntropy } from '../src/cross-entropy/cross-entropy.bench';
import { benches as dequantize } from '../src/dequantize/dequantize.bench';
import { benches as dropout } from '../src/dropout/dropout.bench';
import { benches as elementwise } from '../src/elementwise/elementwise.bench';
import { benches as gatedFusion } from '../src/gated-fusion/gated-fusion.bench';
import { benches as gather } from '../src/gather/gather.bench';
import { benches as layernorm } from '../src/layernorm/layernorm.bench';
import { benches as logSumExp } from '../src/log-sum-exp/log-sum-exp.bench';
import { benches as lossScale } from '../src/loss-scale/loss-scale.bench';
import { benches as matmul } from '../src/matmul/matmul.bench';
import { benches as matmulLadder } from '../src/matmul-ladder/matmul-ladder.bench';
import { benches as narrow } from '../src/narrow/narrow.bench';
import { benches as normWeight } from '../src/norm-weight/norm-weight.bench';
import { benches as randomFill } from '../src/random-fill/random-fill.bench';
import { benches as reduce } from '../src/reduce/reduce.bench';
import { benches as rmsnorm } from '../src/rmsnorm/rmsnorm.bench';
import { benches as rope } from '../src/rope/rope.bench';
import { benches as rowDot } from '../src/row-dot/row-dot.bench';
import { benches as sampleNegatives } from '../src/sample-negatives/sample-negatives.bench';
import { benches as segmentSum } from '../src/segment-sum/segment-sum.bench';
import { benches as shuffle } from '../src/shuffle/shuffle.bench';
import { benches as softmax } from '../src/softmax/softmax.bench';
import { benches as sortedSegments } from '../src/sorted-segments/sorted-segments.bench';
import { benches as sparsePropagation } from '../src/sparse-propagation/sparse-propagation.bench';
import { benches as swiglu } from '../src/swiglu/swiglu.bench';
import { benches as topK } from '../src/top-k/top-k.bench';
import { benches as yesNoLoss } from '../src/yes-no-loss/yes-no-loss.bench';
import type { KernelBench, LauncherBench } from './bench';

export { BenchContext, type KernelBench } from './bench';

const benchesOf: Readonly<Record<string, readonly LauncherBench[]>> = {
  adam,
  argmax,
  attention,
  bce,
  'column-sum': columnSum,
  'cross-entropy': crossEntropy,
  dequantize,
  dropout,
  elementwise,
  'gated-fusion': gatedFusion,
  gather,
  layernorm,
  'log-sum-exp': logSumExp,
  'loss-scale': lossScale,
  matmul,
  'matmul-ladder': matmulLadder,
  narrow,
  'norm-weight': normWeight,
  'random-fill': randomFill,
  reduce,
  rmsnorm,
  rope,
  'row-dot': rowDot,
  'sample-negatives': sampleNegatives,
  'segment-sum': segmentSum,
  shuffle,
  softmax,
  'sorted-segments': sortedSegments,
  'sparse-propagation': sparsePropagation,
  swiglu,
  'top-k': topK,
  'yes-no-loss': yesNoLoss,
};

/** The benchmarks of all kernels, kernel by kernel. */
export const kernelBenches: readonly KernelBench[] = Object.entries(benchesOf).flatMap(([kernel, benches]) =>
  benches.map((bench) => ({ kernel, ...bench })),
);
