/** Every kernel of @crossgate/kernels at the shapes that matter. A test checks that none is missing. */
import type { KernelBench } from './bench';
import { elementwiseBenches } from './elementwise';
import { linearBenches } from './linear';
import { recommenderBenches } from './recommender';
import { samplingBenches } from './sampling';
import { transformerBenches } from './transformer';

export const kernelBenches: readonly KernelBench[] = [
  ...linearBenches,
  ...transformerBenches,
  ...elementwiseBenches,
  ...recommenderBenches,
  ...samplingBenches,
];
