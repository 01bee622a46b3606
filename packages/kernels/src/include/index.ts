// WGSL pieces that several kernels share, by the name under which `#include` finds them.
import activations from './activations.wgsl';
import invocations from './invocations.wgsl';
import numerics from './numerics.wgsl';
import rowWalk from './row-walk.wgsl';
import values from './values.wgsl';
import vector from './vector.wgsl';
import workgroupReduce from './workgroup-reduce.wgsl';

export const includes: Readonly<Record<string, string>> = {
  activations,
  invocations,
  numerics,
  'row-walk': rowWalk,
  values,
  vector,
  'workgroup-reduce': workgroupReduce,
};
