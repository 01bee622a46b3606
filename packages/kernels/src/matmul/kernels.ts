/** The kernels of a matrix product as declarations. */
import { defineKernel } from '@crossgate/gpu';
import { maskIncludes, maskParameters } from '../dropout/mask';
import matrixSource from './matmul-matrix.wgsl';
import skinnySource from './matmul-skinny.wgsl';
import softwareSource from './matmul-software.wgsl';
import splitSumSource from './matmul-split-sum.wgsl';
import tiledSource from './matmul-tiled.wgsl';
import foursSource from './operand-fours.wgsl';
import { skinnyLanes, tiledThreads } from './plan';
import { operandBindings, operandConstants, operandIncludes } from './quantized-matrix';
import storeSource from './store-result.wgsl';

const includes = {
  ...operandIncludes,
  ...maskIncludes,
  'operand-fours': foursSource,
  'store-result': storeSource,
};

const shapeParameters = {
  rows: 'u32',
  columns: 'u32',
  inner: 'u32',
  aStride: 'u32',
  bStride: 'u32',
  outStride: 'u32',
  aOffset: 'u32',
  bOffset: 'u32',
  outOffset: 'u32',
  innerPerSplit: 'u32',
  alpha: 'f32',
} as const;

const parameters = { ...shapeParameters, ...maskParameters } as const;

const bias = { access: 'read', type: 'Value', when: 'BIAS' } as const;
const out = { access: 'read_write', type: 'Value' } as const;

/** What the end of a product binds. */
const storeBindings = {
  bias,
  updateA: { access: 'read', type: 'Value', when: 'RANK' },
  updateB: { access: 'read', type: 'Value', when: 'RANK' },
  out,
} as const;

/** Defaults of the constants of that end. */
const storeConstants = {
  ...{ VECTOR: false, BIAS: false, ACCUMULATE: false },
  ...{ RANK: 0, TRANSPOSE_UPDATE: false, DROPOUT_UPDATE: false },
};

const operands = { a: { access: 'read', type: 'Value' }, ...operandBindings } as const;
const bindings = { ...operands, ...storeBindings } as const;

/** Defaults of the constants that all variants for GPUs read. */
const productConstants = {
  ...operandConstants,
  ...storeConstants,
  ...{ TRANSPOSE_A: false, TRANSPOSE_B: false, DROPOUT_A: false, DROPOUT_B: false },
};

export const softwareKernel = defineKernel({
  name: 'matmul-software',
  source: softwareSource,
  includes,
  bindings: { ...operands, bias, out },
  parameters: shapeParameters,
  constants: {
    ...{ ...operandConstants, VECTOR: false, TRANSPOSE_A: false, TRANSPOSE_B: false, BIAS: false, ACCUMULATE: false },
    ...{ ROWS: 4, COLUMNS: 4, LANES_ON_ROWS: false, WORKGROUP_SIZE: 8, INNER_STEP: 1 },
  },
});

export const tiledKernel = defineKernel({
  name: 'matmul-tiled',
  source: tiledSource,
  includes,
  bindings,
  parameters,
  constants: {
    ...productConstants,
    ...{ ROWS: 4, COLUMNS: 4, THREADS: tiledThreads, COLUMN_THREADS: tiledThreads, SLAB: 16 },
  },
});

export const skinnyKernel = defineKernel({
  name: 'matmul-skinny',
  source: skinnySource,
  includes,
  bindings,
  parameters,
  constants: { ...productConstants, SHORT: 8, LANES_ON_ROWS: false, LANES: skinnyLanes, WORKGROUP_SIZE: 256 },
});

export const matrixKernel = defineKernel({
  name: 'matmul-matrix',
  source: matrixSource,
  includes,
  bindings,
  parameters,
  constants: {
    ...productConstants,
    ...{ ROWS: 4, COLUMNS: 4, UNIT_M: 16, UNIT_N: 16, UNIT_K: 16, SUBGROUP_SIZE: 32 },
    ...{ SUBGROUP_ROWS: 2, SUBGROUP_COLUMNS: 2, SLAB: 32, HALVES: false },
  },
  extensions: () => ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'],
});

export const splitSumKernel = defineKernel({
  name: 'matmul-split-sum',
  source: splitSumSource,
  includes,
  bindings: { partial: { access: 'read', type: 'Value' }, ...storeBindings },
  parameters: {
    ...{ rows: 'u32', columns: 'u32', outStride: 'u32', outOffset: 'u32', splits: 'u32', alpha: 'f32' },
    ...maskParameters,
  },
  constants: { ...storeConstants, WORKGROUP_SIZE: 64 },
});
