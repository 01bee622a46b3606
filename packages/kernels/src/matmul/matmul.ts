// Matrix product with transposes, scale, bias and accumulation; splits operands at the binding limit.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { elements, requireElements } from '../slices';
import matrixSource from './matmul-matrix.wgsl';
import softwareSource from './matmul-software.wgsl';
import splitSumSource from './matmul-split-sum.wgsl';
import tiledSource from './matmul-tiled.wgsl';
import type { MatmulPlan, MatmulShape } from './plan';
import { planMatmul, tiledThreads } from './plan';
import {
  type NarrowMatrix,
  operandBindings,
  operandConstants,
  operandIncludes,
  operandLayout,
  operandRows,
  requireOperand,
  storageConstants,
} from './quantized-matrix';
import storeSource from './store-result.wgsl';

export { type MatrixFeatures, type MatrixTile, matrixObstacle } from './matrix-tiles';
export {
  type MatmulCapabilities,
  type MatmulPlan,
  type MatmulPrecision,
  type MatmulShape,
  planMatmul,
} from './plan';
export {
  type HalfMatrix,
  halfPaddedColumns,
  type NarrowMatrix,
  type QuantizedBits,
  type QuantizedLayout,
  type QuantizedMatrix,
  type QuantizedMatrixFormat,
  type QuantizedScaling,
  quantizedLayout,
} from './quantized-matrix';

const includes = { ...operandIncludes, 'store-result': storeSource };

const parameters = {
  rows: 'u32',
  columns: 'u32',
  inner: 'u32',
  aStride: 'u32',
  bStride: 'u32',
  outStride: 'u32',
  aOffset: 'u32',
  bOffset: 'u32',
  outOffset: 'u32',
  uniformTiles: 'u32',
  laneTiles: 'u32',
  splits: 'u32',
  innerPerSplit: 'u32',
  splitStride: 'u32',
  alpha: 'f32',
} as const;

const bindings = {
  a: { access: 'read', type: 'Value' },
  ...operandBindings,
  bias: { access: 'read', type: 'Value', when: 'BIAS' },
  out: { access: 'read_write', type: 'Value' },
} as const;

/** Defaults of the constants that all variants read. */
const tileConstants = {
  ...operandConstants,
  ...{ VECTOR: false, ROWS: 4, COLUMNS: 4, TRANSPOSE_A: false, TRANSPOSE_B: false, BIAS: false, ACCUMULATE: false },
};

const softwareKernel = defineKernel({
  name: 'matmul-software',
  source: softwareSource,
  includes,
  bindings,
  parameters,
  constants: { ...tileConstants, LANES_ON_ROWS: false, WORKGROUP_SIZE: 8, INNER_STEP: 1 },
});

const tiledKernel = defineKernel({
  name: 'matmul-tiled',
  source: tiledSource,
  includes,
  bindings,
  parameters,
  constants: { ...tileConstants, THREADS: tiledThreads, SLAB: 16 },
});

const matrixKernel = defineKernel({
  name: 'matmul-matrix',
  source: matrixSource,
  includes,
  bindings,
  parameters,
  constants: {
    ...tileConstants,
    ...{ UNIT_M: 16, UNIT_N: 16, UNIT_K: 16, SUBGROUP_SIZE: 32, SUBGROUP_ROWS: 2, SUBGROUP_COLUMNS: 2, SLAB: 32 },
    HALVES: false,
  },
  extensions: () => ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'],
});

const splitSumKernel = defineKernel({
  name: 'matmul-split-sum',
  source: splitSumSource,
  includes,
  bindings: {
    partial: { access: 'read', type: 'Value' },
    bias: { access: 'read', type: 'Value', when: 'BIAS' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: {
    rows: 'u32',
    columns: 'u32',
    outStride: 'u32',
    outOffset: 'u32',
    splits: 'u32',
    alpha: 'f32',
  },
  constants: { VECTOR: false, BIAS: false, ACCUMULATE: false, WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link matmul}. */
export interface MatmulArguments extends MatmulShape {
  /** [m, k], or [k, m] when `transposeA`; row-major f32. */
  readonly a: BufferSlice;
  /** [k, n], or [n, k] when `transposeB`; row-major f32, or of fewer bits, and then widened to f32 as it is read. */
  readonly b: BufferSlice | NarrowMatrix;
  /** [m, n]; must share no buffer with the operands. */
  readonly out: BufferSlice;
  /** Factor of the product (not of bias and `out`). Default 1. */
  readonly alpha?: number;
  /** Adds the product to what `out` holds. Default false. */
  readonly accumulate?: boolean;
  /** [n], added to every row. */
  readonly bias?: BufferSlice | undefined;
  /** In place of {@link planMatmul}, for tests and measurements: called for every part that fits the bindings. */
  readonly plan?: (shape: MatmulShape) => MatmulPlan;
}

/** A part of the product whose operands fit one binding each. */
interface Tile {
  readonly rowFirst: number;
  readonly rows: number;
  readonly columnFirst: number;
  readonly columns: number;
  readonly innerFirst: number;
  readonly inner: number;
}

/**
 * out[m, n] = alpha · op(a) · op(b) (+ bias) (+ out). Sums are f32 in a fixed order: repeated runs give the same bits.
 *
 * A precision of f16 rounds the operands, whatever they are stored in, and sums in f32.
 *
 * Long inner axes of small outputs are split over workgroups and need step memory (`splits`·m·n f32). m = 0 or n = 0
 * does nothing.
 *
 * @throws InputError when a slice is too small for its shape, k is 0, or 64 rows of an operand exceed one binding; for a
 * precision of f16 on an adapter without matrix units for it, see {@link matrixObstacle}.
 */
export function matmul(device: Device, args: MatmulArguments): void {
  const { a, b, out, bias, m, n, k, transposeA = false, transposeB = false } = args;
  for (const [name, size] of Object.entries({ m, n, k })) {
    if (!Number.isSafeInteger(size) || size < (name === 'k' ? 1 : 0)) {
      throw new InputError(`matmul: ${name} is ${size}; m and n must be counts, k a positive one`);
    }
  }
  if (m === 0 || n === 0) return;
  requireElements('matmul', 'a', a, m * k);
  requireOperand('matmul', 'b', b, transposeB ? n : k, transposeB ? k : n);
  requireElements('matmul', 'out', out, m * n);
  if (bias) requireElements('matmul', 'bias', bias, n);

  const layout = operandLayout(b, transposeB ? k : n);
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  const rowStep = chunk(limit, m, transposeA ? [n] : [n, k]);
  // The stride 1 is the bias, which is divided with the columns.
  const columnStep = transposeB ? chunk(limit, n, bias ? [...layout.wordsPerRow, 1] : layout.wordsPerRow) : n;
  const innerStep = chunk(limit, k, [...(transposeA ? [m] : []), ...(transposeB ? [] : layout.wordsPerRow)]);
  for (let rowFirst = 0; rowFirst < m; rowFirst += rowStep) {
    for (let columnFirst = 0; columnFirst < n; columnFirst += columnStep) {
      for (let innerFirst = 0; innerFirst < k; innerFirst += innerStep) {
        recordTile(device, args, {
          rowFirst,
          rows: Math.min(rowStep, m - rowFirst),
          columnFirst,
          columns: Math.min(columnStep, n - columnFirst),
          innerFirst,
          inner: Math.min(innerStep, k - innerFirst),
        });
      }
    }
  }
}

function recordTile(device: Device, args: MatmulArguments, tile: Tile): void {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1 } = args;
  const { rowFirst, rows, columnFirst, columns, innerFirst, inner } = tile;
  const { precision = 'f32' } = args;
  const shape = { m: rows, n: columns, k: inner, transposeA, transposeB, precision };
  let plan = args.plan ? args.plan(shape) : planMatmul(shape, device.capabilities);
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  if (plan.splits > 1 && plan.splits * rows * columns * 4 > limit) plan = { ...plan, splits: 1, innerPerSplit: inner };
  // Strides belong to the whole operands: a part may be ragged where its operand is not, and the other way round.
  const aStride = transposeA ? m : k;
  const bColumns = transposeB ? k : n;
  const bStride = operandLayout(args.b, bColumns).stride;
  const vector = plan.vector && aStride % 4 === 0 && bStride % 4 === 0 && n % 4 === 0;
  if (plan.vector && !vector) {
    plan = { ...plan, vector: false, innerStep: plan.variant === 'software' ? 1 : plan.innerStep };
  }

  const bias = args.bias && innerFirst === 0 ? elements(args.bias, columnFirst, columns) : undefined;
  const accumulate = args.accumulate === true || innerFirst > 0;
  const target = elements(args.out, rowFirst * n, rows * n);
  const split = plan.splits > 1;
  const workspace = split ? device.memory.allocate(plan.splits * rows * columns * 4) : null;
  const [bFirst, bRows] = transposeB ? [columnFirst, columns] : [innerFirst, inner];
  const operand = operandRows(args.b, bColumns, bFirst, bRows);
  const dispatch = {
    bindings: {
      a: transposeA ? elements(args.a, innerFirst * m, inner * m) : elements(args.a, rowFirst * k, rows * k),
      b: operand.b,
      scales: operand.scales,
      bias,
      out: workspace ?? target,
    },
    parameters: {
      rows,
      columns,
      inner,
      aStride,
      bStride,
      outStride: split ? columns : n,
      aOffset: transposeA ? rowFirst : innerFirst,
      bOffset: transposeB ? innerFirst : columnFirst,
      outOffset: split ? 0 : columnFirst,
      uniformTiles: plan.uniformTiles,
      laneTiles: plan.laneTiles,
      splits: plan.splits,
      innerPerSplit: plan.innerPerSplit,
      splitStride: split ? rows * columns : 0,
      alpha: split ? 1 : alpha,
    },
    workgroups: plan.uniformTiles * plan.laneTiles * plan.splits,
  };
  const constants = {
    VECTOR: vector,
    ROWS: plan.rows,
    COLUMNS: plan.columns,
    TRANSPOSE_A: transposeA,
    TRANSPOSE_B: transposeB,
    BIAS: bias !== undefined && !split,
    ACCUMULATE: accumulate && !split,
  };
  const { bindings, parameters, workgroups } = dispatch;
  const storage = storageConstants(args.b);
  if (plan.matrix) {
    const { unitM: UNIT_M, unitN: UNIT_N, unitK: UNIT_K, subgroupSize: SUBGROUP_SIZE } = plan.matrix;
    const { subgroupRows: SUBGROUP_ROWS, subgroupColumns: SUBGROUP_COLUMNS } = plan.matrix;
    const units = { UNIT_M, UNIT_N, UNIT_K, SUBGROUP_SIZE, SUBGROUP_ROWS, SUBGROUP_COLUMNS };
    device.recorder.dispatch(matrixKernel, {
      bindings,
      parameters,
      constants: {
        ...{ ...constants, ...units, SLAB: plan.innerStep, ...storage },
        // Halves that come by the four need no rounding.
        HALVES: vector && storage.BITS === 16 && storage.BFLOAT === false,
      },
      workgroups,
    });
  } else if (plan.variant === 'tiled') {
    device.recorder.dispatch(tiledKernel, {
      bindings,
      parameters,
      constants: { ...constants, SLAB: plan.innerStep, ...storage },
      workgroups,
    });
  } else {
    device.recorder.dispatch(softwareKernel, {
      bindings,
      parameters,
      constants: {
        ...constants,
        LANES_ON_ROWS: plan.lanesOnRows,
        WORKGROUP_SIZE: plan.workgroupSize,
        INNER_STEP: plan.innerStep,
        ...storage,
      },
      workgroups,
    });
  }
  if (workspace === null) return;
  const width = n % 4 === 0 && columns % 4 === 0 ? 4 : 1;
  device.recorder.dispatch(splitSumKernel, {
    bindings: { partial: workspace, bias, out: target },
    parameters: {
      rows,
      columns: columns / width,
      outStride: n / width,
      outOffset: columnFirst / width,
      splits: plan.splits,
      alpha,
    },
    constants: { VECTOR: width === 4, BIAS: bias !== undefined, ACCUMULATE: accumulate },
    workgroups: Math.ceil((rows * columns) / width / 64),
  });
  device.memory.releaseEarly(workspace);
}

/**
 * Most units along an axis of `extent` so that arrays with this axis first and `strides` words behind each unit fit
 * one binding, and every part starts at a multiple of 256 bytes (and 4 elements). A stride may be half a word.
 */
function chunk(limit: number, extent: number, strides: readonly number[]): number {
  let most = extent;
  let unit = 4;
  for (const stride of strides) {
    let alignment = 256;
    for (let rest = 4 * stride; rest % 2 === 0 && alignment > 1; rest /= 2) alignment /= 2;
    unit = Math.max(unit, alignment);
    most = Math.min(most, Math.floor(limit / (4 * stride)));
  }
  if (most >= extent) return extent;
  most -= most % unit;
  if (most === 0) {
    throw new InputError(
      `matmul: ${unit} rows of ${4 * Math.max(...strides)} bytes exceed the ${limit} bytes that the adapter binds at once`,
    );
  }
  return most;
}
