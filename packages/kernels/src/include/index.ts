// WGSL pieces that several kernels share, by the name under which `#include` finds them.
import activations from './activations.wgsl';
import numerics from './numerics.wgsl';
import vector from './vector.wgsl';
import workgroupReduce from './workgroup-reduce.wgsl';

export const includes: Readonly<Record<string, string>> = {
  activations,
  numerics,
  vector,
  'workgroup-reduce': workgroupReduce,
};
