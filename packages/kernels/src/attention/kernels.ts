/** The kernels of attention as declarations, and what a tile makes of their constants, parameters and workgroups. */
import { defineKernel } from '@crossgate/gpu';
import { includes as shared } from '../include';
import source from './attention.wgsl';
import keySource from './attention-backward-key.wgsl';
import querySource from './attention-backward-query.wgsl';
import blockSource from './attention-block.wgsl';
import blockCommon from './attention-block-common.wgsl';
import blockKeySource from './attention-block-key.wgsl';
import blockQuerySource from './attention-block-query.wgsl';
import blockScores from './attention-block-scores.wgsl';
import blockSums from './attention-block-sums.wgsl';
import common from './attention-common.wgsl';
import decodeSource from './attention-decode.wgsl';
import deltaSource from './attention-delta.wgsl';
import matrixSource from './attention-matrix.wgsl';
import matrixCommon from './attention-matrix-common.wgsl';
import matrixKeySource from './attention-matrix-key.wgsl';
import matrixQuerySource from './attention-matrix-query.wgsl';
import matrixStore from './attention-matrix-store.wgsl';
import matrixSums from './attention-matrix-sums.wgsl';
import sumPartsSource from './attention-sum-parts.wgsl';
import { type AttentionPass, type MatrixBlockTile, matrixPasses, matrixShares } from './matrix-blocks';
import { type AttentionShape, type BlockTile, blockRows, type RowTile } from './plan';

const includes = {
  ...shared,
  'attention-common': common,
  'attention-block-common': blockCommon,
  'attention-block-scores': blockScores,
  'attention-block-sums': blockSums,
  'attention-matrix-common': matrixCommon,
  'attention-matrix-sums': matrixSums,
  'attention-matrix-store': matrixStore,
};
/** Which pass a text is rendered for: one of them is true, CACHED beside FORWARD. */
const passes = { CACHED: false, FORWARD: false, BACKWARD_QUERY: false, BACKWARD_KEY: false };
/** Defaults of what {@link rowArguments} chooses. */
const tileConstants = {
  VECTOR: false,
  HEAD_DIM: 4,
  VECTORS: 1,
  WORKGROUP_SIZE: 64,
  QUERIES: 1,
  KEYS: 1,
  BLOCK: 64,
  MASKED_ONLY: false,
};
/** Defaults of what {@link blockArguments} chooses. */
const blockConstants = {
  VECTOR: false,
  HEAD_DIM: 32,
  VECTORS: 8,
  WORKGROUP_SIZE: 64,
  ROWS: 4,
  PARTS: 1,
  STAGED: 4,
  PAIRS: 1,
  SUMS: 1,
};
/** Defaults of what {@link matrixArguments} chooses. */
const matrixConstants = {
  ...{ VECTOR: true, HEAD_DIM: 64, VECTORS: 16, UNIT_M: 16, UNIT_N: 16, UNIT_K: 16, SUBGROUP_SIZE: 32 },
  ...{ SUBGROUPS: 4, BLOCK: 32, STEP: 32, ROWS: 1, SCORES: 1, COLUMNS: 4 },
};
const matrixExtensions = () => ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'];
const productsOf = (pass: AttentionPass) => ({ PAIRS: matrixPasses[pass].pairs, SUMS: matrixPasses[pass].sums });
const parameters = {
  tokens: 'u32',
  heads: 'u32',
  keyValueHeads: 'u32',
  group: 'u32',
  scale: 'f32',
} as const;

const forwardBindings = {
  query: { access: 'read', type: 'Value' },
  key: { access: 'read', type: 'Value' },
  value: { access: 'read', type: 'Value' },
  offsets: { access: 'read', type: 'u32' },
  sequenceOfToken: { access: 'read', type: 'u32' },
  out: { access: 'read_write', type: 'Value' },
  logSumExp: { access: 'read_write', type: 'f32' },
} as const;

export const forwardKernel = defineKernel({
  name: 'attention',
  source,
  includes,
  constants: { ...passes, ...tileConstants, FORWARD: true },
  bindings: forwardBindings,
  parameters,
});

export const forwardBlockKernel = defineKernel({
  name: 'attention-block',
  source: blockSource,
  includes,
  constants: { ...passes, ...blockConstants, FORWARD: true },
  bindings: forwardBindings,
  parameters,
});

export const forwardMatrixKernel = defineKernel({
  name: 'attention-matrix',
  source: matrixSource,
  includes,
  constants: { ...passes, ...matrixConstants, FORWARD: true, ...productsOf('forward') },
  bindings: forwardBindings,
  parameters,
  extensions: matrixExtensions,
});

/** What attention to a cache binds and is told, by blocks of tokens or one token at a time. */
const cachedInterface = {
  bindings: {
    query: { access: 'read', type: 'Value' },
    key: { access: 'read', type: 'Value' },
    value: { access: 'read', type: 'Value' },
    cachedKey: { access: 'read', type: 'Value' },
    cachedValue: { access: 'read', type: 'Value' },
    offsets: { access: 'read', type: 'u32' },
    sequenceOfToken: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: { ...parameters, cacheLength: 'u32', window: 'u32' },
} as const;

export const cachedKernel = defineKernel({
  name: 'attention-cached',
  source,
  includes,
  constants: { ...passes, ...tileConstants, FORWARD: true, CACHED: true },
  ...cachedInterface,
});

export const cachedBlockKernel = defineKernel({
  name: 'attention-block-cached',
  source: blockSource,
  includes,
  constants: { ...passes, ...blockConstants, FORWARD: true, CACHED: true },
  ...cachedInterface,
});

export const decodeKernel = defineKernel({
  name: 'attention-decode',
  source: decodeSource,
  includes,
  constants: { ...passes, ...tileConstants, FORWARD: true, CACHED: true, HALF: 32, SHARED_QUERY: false },
  ...cachedInterface,
});

export const deltaKernel = defineKernel({
  name: 'attention-delta',
  source: deltaSource,
  includes,
  constants: { VECTOR: false, WORKGROUP_SIZE: 64 },
  bindings: {
    gradOut: { access: 'read', type: 'Value' },
    out: { access: 'read', type: 'Value' },
    logSumExp: { access: 'read', type: 'f32' },
    offsets: { access: 'read', type: 'u32' },
    sequenceOfToken: { access: 'read', type: 'u32' },
    statistics: { access: 'read_write', type: 'vec2<f32>' },
    bounds: { access: 'read_write', type: 'vec2<u32>' },
  },
  parameters: { tokens: 'u32', heads: 'u32', width: 'u32' },
});

const backwardInputs = {
  query: { access: 'read', type: 'Value' },
  key: { access: 'read', type: 'Value' },
  value: { access: 'read', type: 'Value' },
  gradOut: { access: 'read', type: 'Value' },
  statistics: { access: 'read', type: 'vec2<f32>' },
  bounds: { access: 'read', type: 'vec2<u32>' },
} as const;

const queryInterface = {
  bindings: { ...backwardInputs, gradQuery: { access: 'read_write', type: 'Value' } },
  parameters,
} as const;

export const queryKernel = defineKernel({
  name: 'attention-backward-query',
  source: querySource,
  includes,
  constants: { ...passes, ...tileConstants, BACKWARD_QUERY: true },
  ...queryInterface,
});

export const queryBlockKernel = defineKernel({
  name: 'attention-block-query',
  source: blockQuerySource,
  includes,
  constants: { ...passes, ...blockConstants, BACKWARD_QUERY: true, PAIRS: 2 },
  ...queryInterface,
});

export const queryMatrixKernel = defineKernel({
  name: 'attention-matrix-query',
  source: matrixQuerySource,
  includes,
  constants: { ...passes, ...matrixConstants, BACKWARD_QUERY: true, ...productsOf('backwardQuery') },
  ...queryInterface,
  extensions: matrixExtensions,
});

const keyBindings = {
  ...backwardInputs,
  gradKey: { access: 'read_write', type: 'Value' },
  gradValue: { access: 'read_write', type: 'Value' },
} as const;

export const keyKernel = defineKernel({
  name: 'attention-backward-key',
  source: keySource,
  includes,
  constants: { ...passes, ...tileConstants, BACKWARD_KEY: true },
  bindings: keyBindings,
  parameters,
});

export const keyBlockKernel = defineKernel({
  name: 'attention-block-key',
  source: blockKeySource,
  includes,
  constants: { ...passes, ...blockConstants, BACKWARD_KEY: true, PAIRS: 2, SUMS: 2 },
  bindings: keyBindings,
  parameters: { ...parameters, members: 'u32' },
});

export const keyMatrixKernel = defineKernel({
  name: 'attention-matrix-key',
  source: matrixKeySource,
  includes,
  constants: { ...passes, ...matrixConstants, BACKWARD_KEY: true, ...productsOf('backwardKey') },
  bindings: keyBindings,
  parameters: { ...parameters, members: 'u32' },
  extensions: matrixExtensions,
});

export const sumPartsKernel = defineKernel({
  name: 'attention-sum-parts',
  source: sumPartsSource,
  includes,
  constants: { VECTOR: false, WORKGROUP_SIZE: 64 },
  bindings: {
    keyParts: { access: 'read', type: 'Value' },
    valueParts: { access: 'read', type: 'Value' },
    gradKey: { access: 'read_write', type: 'Value' },
    gradValue: { access: 'read_write', type: 'Value' },
  },
  parameters: { count: 'u32', parts: 'u32' },
});

/**
 * Above this, kernels have one loop over all keys instead of one with and one without a mask: half the text to compile.
 */
const longestSplitHead = 32;

/** What a kernel whose invocations hold whole rows is told; `side` is that of the rows. */
export function rowArguments(tile: RowTile, shape: AttentionShape, side: 'query' | 'key') {
  const { tokens, heads, keyValueHeads, headDim, scale } = shape;
  const block = tile.workgroupSize * tile.rows;
  return {
    parameters: { tokens, heads, keyValueHeads, group: heads / keyValueHeads, scale },
    constants: {
      VECTOR: headDim % 4 === 0,
      HEAD_DIM: headDim,
      VECTORS: Math.ceil(headDim / 4),
      WORKGROUP_SIZE: tile.workgroupSize,
      QUERIES: side === 'query' ? tile.rows : tile.step,
      KEYS: side === 'query' ? tile.step : tile.rows,
      BLOCK: block,
      MASKED_ONLY: headDim > longestSplitHead,
    },
    workgroups: Math.ceil(tokens / block) * (side === 'query' ? heads : keyValueHeads),
  };
}

/** COLUMNS of attention-block-common, and the vectors that its workgroups stage. */
const [blockColumns, stagedVectors] = [8, 2 * blockRows * 5];

/** What a kernel whose workgroups share blocks of rows is told; `side` is that of the blocks. */
export function blockArguments({ workgroupSize }: BlockTile, shape: AttentionShape, side: 'query' | 'key') {
  const { tokens, heads, keyValueHeads, headDim, scale } = shape;
  const vectors = Math.ceil(headDim / 4);
  const parts = Math.ceil(vectors / blockColumns);
  return {
    parameters: { tokens, heads, keyValueHeads, group: heads / keyValueHeads, scale },
    constants: {
      VECTOR: headDim % 4 === 0,
      HEAD_DIM: headDim,
      VECTORS: vectors,
      WORKGROUP_SIZE: workgroupSize,
      ROWS: (blockColumns * blockRows) / workgroupSize,
      PARTS: parts,
      // The largest power of two of rows that fits where vectors are staged for scores.
      STAGED: 2 ** Math.floor(Math.log2(stagedVectors / (blockColumns * parts))),
    },
    workgroups: Math.ceil(tokens / blockRows) * (side === 'query' ? heads : keyValueHeads),
  };
}

/** What a kernel by matrix units is told. */
export function matrixArguments(tile: MatrixBlockTile, shape: AttentionShape, pass: AttentionPass) {
  const { tokens, heads, keyValueHeads, headDim, scale } = shape;
  const { unitM, unitN, unitK, subgroupSize, subgroups, rows, step } = tile;
  const { scores, columns } = matrixShares(pass, tile, headDim);
  return {
    parameters: { tokens, heads, keyValueHeads, group: heads / keyValueHeads, scale },
    constants: {
      ...{ VECTOR: true, HEAD_DIM: headDim, VECTORS: headDim / 4, SUBGROUPS: subgroups, SUBGROUP_SIZE: subgroupSize },
      ...{ UNIT_M: unitM, UNIT_N: unitN, UNIT_K: unitK, BLOCK: rows, STEP: step },
      ROWS: (rows * step) / 4 / subgroups / subgroupSize,
      SCORES: scores,
      COLUMNS: columns,
    },
    workgroups: Math.ceil(tokens / rows) * (pass === 'backwardKey' ? keyValueHeads : heads),
  };
}
