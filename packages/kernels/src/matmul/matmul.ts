// Matrix product with transposes, scale, bias and accumulation; splits operands at the binding limit.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { elements, requireElements } from '../slices';
import softwareSource from './matmul-software.wgsl';
import splitSumSource from './matmul-split-sum.wgsl';
import tiledSource from './matmul-tiled.wgsl';
import type { MatmulPlan, MatmulShape } from './plan';
import { planMatmul, tiledThreads } from './plan';

export type { MatmulCapabilities, MatmulDType, MatmulPlan, MatmulShape } from './plan';
export { planMatmul, planSoftwareMatmul, planTiledMatmul } from './plan';

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

const bindingsOf = (type: string) =>
  ({
    a: { access: 'read', type },
    b: { access: 'read', type },
    bias: { access: 'read', type, when: 'BIAS' },
    out: { access: 'read_write', type },
  }) as const;

const softwareOf = (name: string, vector: boolean) =>
  defineKernel({
    name,
    source: softwareSource,
    bindings: bindingsOf(vector ? 'vec4<f32>' : 'f32'),
    parameters,
    constants: { VECTOR: vector, WIDTH: vector ? 4 : 1 },
  });
const softwareVector = softwareOf('matmul-software', true);
const softwareScalar = softwareOf('matmul-software-scalar', false);

const tiled = defineKernel({
  name: 'matmul-tiled',
  source: tiledSource,
  bindings: bindingsOf('f32'),
  parameters,
  constants: { THREADS: tiledThreads },
});

const splitSumOf = (name: string, type: string) =>
  defineKernel({
    name,
    source: splitSumSource,
    bindings: {
      partial: { access: 'read', type },
      bias: { access: 'read', type, when: 'BIAS' },
      out: { access: 'read_write', type },
    },
    parameters: {
      rows: 'u32',
      columns: 'u32',
      outStride: 'u32',
      outOffset: 'u32',
      splits: 'u32',
      alpha: 'f32',
    },
    constants: { WORKGROUP_SIZE: 64 },
  });
const splitSumVector = splitSumOf('matmul-split-sum', 'vec4<f32>');
const splitSumScalar = splitSumOf('matmul-split-sum-scalar', 'f32');

export interface MatmulArguments extends MatmulShape {
  /** [m, k], or [k, m] when `transposeA`; row-major f32. */
  readonly a: BufferSlice;
  /** [k, n], or [n, k] when `transposeB`; row-major f32. */
  readonly b: BufferSlice;
  /** [m, n]; must share no buffer with the operands. */
  readonly out: BufferSlice;
  /** Factor of the product (not of bias and `out`). Default 1. */
  readonly alpha?: number;
  /** Adds the product to what `out` holds. Default false. */
  readonly accumulate?: boolean;
  /** [n], added to every row. */
  readonly bias?: BufferSlice | undefined;
  /** Overrides the choice of {@link planMatmul}, for tests and benchmarks. */
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
 * Long inner axes of small outputs are split over workgroups and need step memory (`splits`·m·n f32). m = 0 or n = 0
 * does nothing.
 *
 * @throws InputError when a slice is too small for its shape, k is 0, or 64 rows of an operand exceed one binding.
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
  requireElements('matmul', 'b', b, k * n);
  requireElements('matmul', 'out', out, m * n);
  if (bias) requireElements('matmul', 'bias', bias, n);

  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  const rowStep = chunk(limit, m, transposeA ? [n] : [n, k]);
  // The stride 1 is the bias, which is divided with the columns.
  const columnStep = transposeB ? chunk(limit, n, bias ? [k, 1] : [k]) : n;
  const innerStep = chunk(limit, k, [...(transposeA ? [m] : []), ...(transposeB ? [] : [n])]);
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
  const shape = { m: rows, n: columns, k: inner, transposeA, transposeB };
  let plan = args.plan ? args.plan(shape) : planMatmul(shape, 'f32', device.capabilities);
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  if (plan.splits > 1 && plan.splits * rows * columns * 4 > limit) plan = { ...plan, splits: 1, innerPerSplit: inner };
  // Strides belong to the whole operands: a part may be ragged where its operand is not, and the other way round.
  const aStride = transposeA ? m : k;
  const bStride = transposeB ? k : n;
  const vector = plan.vector && aStride % 4 === 0 && bStride % 4 === 0 && n % 4 === 0;
  if (plan.vector && !vector) plan = { ...plan, vector: false, innerStep: 1 };

  const bias = args.bias && innerFirst === 0 ? elements(args.bias, columnFirst, columns) : undefined;
  const accumulate = args.accumulate === true || innerFirst > 0;
  const target = elements(args.out, rowFirst * n, rows * n);
  const split = plan.splits > 1;
  const workspace = split ? device.memory.allocate(plan.splits * rows * columns * 4) : null;
  const constants = {
    ROWS: plan.rows,
    COLUMNS: plan.columns,
    TRANSPOSE_A: transposeA,
    TRANSPOSE_B: transposeB,
    BIAS: bias !== undefined && !split,
    ACCUMULATE: accumulate && !split,
  };
  const dispatch = {
    bindings: {
      a: transposeA ? elements(args.a, innerFirst * m, inner * m) : elements(args.a, rowFirst * k, rows * k),
      b: transposeB ? elements(args.b, columnFirst * k, columns * k) : elements(args.b, innerFirst * n, inner * n),
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
  if (plan.variant === 'tiled') {
    device.recorder.dispatch(tiled, { ...dispatch, constants: { ...constants, SLAB: plan.innerStep } });
  } else {
    device.recorder.dispatch(vector ? softwareVector : softwareScalar, {
      ...dispatch,
      constants: {
        ...constants,
        LANES_ON_ROWS: plan.lanesOnRows,
        WORKGROUP_SIZE: plan.workgroupSize,
        INNER_STEP: plan.innerStep,
      },
    });
  }
  if (workspace === null) return;
  const width = n % 4 === 0 && columns % 4 === 0 ? 4 : 1;
  device.recorder.dispatch(width === 4 ? splitSumVector : splitSumScalar, {
    bindings: { partial: workspace, bias, out: target },
    parameters: {
      rows,
      columns: columns / width,
      outStride: n / width,
      outOffset: columnFirst / width,
      splits: plan.splits,
      alpha,
    },
    constants: { BIAS: bias !== undefined, ACCUMULATE: accumulate },
    workgroups: Math.ceil((rows * columns) / width / 64),
  });
  device.memory.releaseEarly(workspace);
}

/**
 * Most units along an axis of `extent` so that arrays with this axis first and `strides` elements behind each unit fit
 * one binding, and every part starts at a multiple of 256 bytes (and 4 elements).
 */
function chunk(limit: number, extent: number, strides: readonly number[]): number {
  let most = extent;
  let unit = 4;
  for (const stride of strides) {
    let alignment = 64;
    for (let rest = stride; rest % 2 === 0 && alignment > 1; rest /= 2) alignment /= 2;
    unit = Math.max(unit, alignment);
    most = Math.min(most, Math.floor(limit / (4 * stride)));
  }
  if (most >= extent) return extent;
  most -= most % unit;
  if (most === 0) {
    throw new InputError(
      `matmul: ${unit} rows of ${Math.max(...strides)} elements exceed the ${limit} bytes that the adapter binds at once`,
    );
  }
  return most;
}
