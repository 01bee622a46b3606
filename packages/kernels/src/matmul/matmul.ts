// Matrix product with transposes, scale, bias and accumulation; splits operands at the binding limit.
import { type BufferSlice, type Device, type DispatchArguments, InputError } from '@crossgate/gpu';
import { dropout as launchDropout } from '../dropout/dropout';
import { type DropoutMask, maskValues, requireMask } from '../dropout/mask';
import { elements, requireElements } from '../slices';
import { matrixKernel, skinnyKernel, softwareKernel, splitSumKernel, tiledKernel } from './kernels';
import type { MatmulPlan, MatmulShape } from './plan';
import { planMatmul, tiledThreads } from './plan';
import { type NarrowMatrix, operandLayout, operandRows, requireOperand, storageConstants } from './quantized-matrix';

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

/** Dropout inside a product: kept elements are divided by 1 − probability. */
export interface ProductDropout extends DropoutMask {
  /**
   * What it is of. `a`, `b`: that operand, which is f32 and whose elements have the numbers by which they are stored.
   * `update`: the product [m, n] of the update.
   */
  readonly of: 'a' | 'b' | 'update';
}

/** A second product, with a short inner axis, that is added to the first. */
export interface ProductUpdate {
  /** f32 [m, rank] */
  readonly a: BufferSlice;
  /** f32 [rank, n], or [n, rank] when `transposeB`. */
  readonly b: BufferSlice;
  /** Length of the inner axis, at least 1. */
  readonly rank: number;
  /** b is stored [n, rank]. Default false. */
  readonly transposeB?: boolean;
  /** Factor of this product. Default 1. */
  readonly alpha?: number;
}

/** Arguments of {@link matmul}. */
export interface MatmulArguments extends MatmulShape {
  /** [m, k], or [k, m] when `transposeA`; row-major f32. */
  readonly a: BufferSlice;
  /** [k, n], or [n, k] when `transposeB`; row-major f32, or of fewer bits, and then widened to f32 as it is read. */
  readonly b: BufferSlice | NarrowMatrix;
  /** [m, n]; must share no buffer with the operands. */
  readonly out: BufferSlice;
  /** Factor of the product (not of bias, update and `out`). Default 1. */
  readonly alpha?: number;
  /** Adds the product to what `out` holds. Default false. */
  readonly accumulate?: boolean;
  /** [n], added to every row. */
  readonly bias?: BufferSlice | undefined;
  /** Added to the product. */
  readonly update?: ProductUpdate | undefined;
  /** Leaves elements of an operand, or of the update, out. */
  readonly dropout?: ProductDropout | undefined;
  /**
   * In place of {@link planMatmul}, for tests and measurements: called for the whole, and for every part that fits the
   * bindings.
   */
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

/** The longest inner axis of an update that is walked where a product ends, with no tiles to share what is read. */
const longestUpdate = 16;

/**
 * out[m, n] = alpha · op(a) · op(b) (+ bias) (+ update) (+ out). Sums are f32 in a fixed order: repeated runs give the same
 * bits.
 *
 * A precision of f16 rounds the operands, whatever they are stored in, and sums in f32; products of few rows or columns,
 * which memory limits, stay f32.
 *
 * Long inner axes of small outputs are split over workgroups and need step memory (`splits`·m·n f32). On GPUs dropout and
 * updates of a rank of 4, 8, 12 or 16 happen within the product, where extents are multiples of 4; else by passes of their
 * own, which need step memory as large as what is dropped. m = 0 or n = 0 does nothing.
 *
 * @throws InputError when a slice is too small for its shape, k or the rank is 0, or 64 rows of an operand exceed one
 * binding; for a mask that cannot be, or of an operand in fewer bits; for a precision of f16 on an adapter without matrix
 * units for it, see {@link matrixObstacle}.
 */
export function matmul(device: Device, args: MatmulArguments): void {
  const { a, b, out, bias, update, dropout, m, n, k, transposeB = false } = args;
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
  if (update) {
    if (!Number.isSafeInteger(update.rank) || update.rank < 1)
      throw new InputError(`matmul: update.rank is ${update.rank}; it must be a positive count`);
    requireElements('matmul', 'update.a', update.a, m * update.rank);
    requireElements('matmul', 'update.b', update.b, n * update.rank);
  }
  if (dropout) {
    requireMask('matmul', dropout);
    if (dropout.of === 'update' && !update) throw new InputError('matmul: dropout of an update, but there is none');
    if (dropout.of === 'b' && 'bits' in b)
      throw new InputError('matmul: dropout of b, which is in fewer bits than f32');
  }
  if ((update || dropout) && !joins(device, args)) recordApart(device, args);
  else recordParts(device, args);
}

/** The plan of a product or a part of it, and whether its operands are read by the four. */
function planOf(device: Device, args: MatmulArguments, part: Pick<MatmulShape, 'm' | 'n' | 'k'>) {
  const { b, m, n, k, transposeA = false, transposeB = false, precision = 'f32' } = args;
  const shape = { ...part, transposeA, transposeB, precision };
  const plan = args.plan ? args.plan(shape) : planMatmul(shape, device.capabilities);
  // Strides belong to the whole operands: a part may be ragged where its operand is not, and the other way round.
  const aStride = transposeA ? m : k;
  const bStride = operandLayout(b, transposeB ? k : n).stride;
  const vector = plan.vector && aStride % 4 === 0 && bStride % 4 === 0 && n % 4 === 0;
  return { plan, aStride, bStride, vector };
}

/** Most rows, columns and inner positions of a part. */
function partExtents(device: Device, args: MatmulArguments) {
  const { b, bias, update, m, n, k, transposeA = false, transposeB = false } = args;
  const { wordsPerRow } = operandLayout(b, transposeB ? k : n);
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  return {
    rows: chunk(limit, m, [n, ...(transposeA ? [] : [k]), ...(update ? [update.rank] : [])]),
    // The stride 1 is the bias, which is divided with the columns.
    columns: transposeB ? chunk(limit, n, bias ? [...wordsPerRow, 1] : wordsPerRow) : n,
    inner: chunk(limit, k, [...(transposeA ? [m] : []), ...(transposeB ? [] : wordsPerRow)]),
  };
}

/** Whether the kernel of a product has a place for its dropout and its update. */
function joins(device: Device, args: MatmulArguments): boolean {
  const { update, dropout, m, n, k, alpha = 1 } = args;
  const { plan, vector } = planOf(device, args, { m, n, k });
  if (plan.variant === 'software' || !vector) return false;
  if (!update) return true;
  // The kernel has one factor, that of the update, whose second operand is bound whole.
  if (dropout && dropout.of !== 'update') return false;
  if (alpha !== 1 || update.rank % 4 !== 0 || update.rank > longestUpdate) return false;
  return partExtents(device, args).columns >= n;
}

/** Dropout and update by kernels of their own. */
function recordApart(device: Device, { update, dropout, ...product }: MatmulArguments): void {
  const { memory } = device;
  const { m, n, k, out, precision } = product;
  if (dropout && dropout.of !== 'update') {
    const count = dropout.of === 'a' ? m * k : k * n;
    const dropped = memory.allocate(4 * count);
    launchDropout(device, { ...dropout, x: product[dropout.of] as BufferSlice, out: dropped, count });
    recordParts(device, { ...product, [dropout.of]: dropped });
    memory.releaseEarly(dropped);
  } else recordParts(device, product);
  if (!update) return;
  const { rank, ...second } = { ...update, m, n, k: update.rank, ...(precision && { precision }) };
  if (dropout?.of === 'update') {
    const made = memory.allocate(4 * m * n);
    matmul(device, { ...second, out: made });
    launchDropout(device, { ...dropout, x: made, out, count: m * n, accumulate: true });
    memory.releaseEarly(made);
  } else matmul(device, { ...second, out, accumulate: true });
}

/** A product by parts that fit the bindings. */
function recordParts(device: Device, args: MatmulArguments): void {
  const { m, n, k } = args;
  const most = partExtents(device, args);
  for (let rowFirst = 0; rowFirst < m; rowFirst += most.rows) {
    for (let columnFirst = 0; columnFirst < n; columnFirst += most.columns) {
      for (let innerFirst = 0; innerFirst < k; innerFirst += most.inner) {
        recordPart(device, args, {
          rowFirst,
          rows: Math.min(most.rows, m - rowFirst),
          columnFirst,
          columns: Math.min(most.columns, n - columnFirst),
          innerFirst,
          inner: Math.min(most.inner, k - innerFirst),
        });
      }
    }
  }
}

const noMask = { firstBlock: 0, threshold: 0, seed: 0, stream: 0, counter: 0 };

function recordPart(device: Device, args: MatmulArguments, tile: Tile): void {
  const { m, n, k, transposeA = false, transposeB = false, dropout, update } = args;
  const { rowFirst, rows, columnFirst, columns, innerFirst, inner } = tile;
  const { plan, aStride, bStride, vector } = planOf(device, args, { m: rows, n: columns, k: inner });
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  const splits = plan.splits * rows * columns * 4 > limit ? 1 : plan.splits;
  const split = splits > 1;
  const workspace = split ? device.memory.allocate(splits * rows * columns * 4) : null;
  const bColumns = transposeB ? k : n;
  const [bFirst, bRows] = transposeB ? [columnFirst, columns] : [innerFirst, inner];
  const operand = operandRows(args.b, bColumns, bFirst, bRows);
  const aFirst = transposeA ? innerFirst * m : rowFirst * k;
  const masked = { a: aFirst, b: bFirst * bColumns, update: rowFirst * n };
  const mask = dropout ? maskValues(dropout, masked[dropout.of]) : noMask;
  const kept = 1 - (dropout?.probability ?? 0);

  // Bias and update are added once. A product with an update has no factor of its own.
  const ends = innerFirst === 0;
  const joined = ends ? update : undefined;
  const alpha = joined ? (joined.alpha ?? 1) : (args.alpha ?? 1);
  const end = {
    bindings: {
      bias: args.bias && ends ? elements(args.bias, columnFirst, columns) : undefined,
      updateA: joined && elements(joined.a, rowFirst * joined.rank, rows * joined.rank),
      updateB: joined && elements(joined.b, 0, n * joined.rank),
      out: elements(args.out, rowFirst * n, rows * n),
    },
    parameters: {
      ...{ rows, columns, outStride: n, outOffset: columnFirst, ...mask },
      alpha: dropout?.of === 'update' && !joined ? alpha : alpha / kept,
    },
    constants: {
      ...{ VECTOR: vector, BIAS: args.bias !== undefined && ends },
      ACCUMULATE: args.accumulate === true || innerFirst > 0,
    },
    update: {
      RANK: joined?.rank ?? 0,
      TRANSPOSE_UPDATE: joined?.transposeB === true,
      DROPOUT_UPDATE: joined !== undefined && dropout?.of === 'update',
    },
  };
  const bindings = { a: elements(args.a, aFirst, transposeA ? inner * m : rows * k), ...operand };
  const parameters = {
    ...{ ...end.parameters, inner, aStride, bStride, innerPerSplit: plan.innerPerSplit },
    aOffset: transposeA ? rowFirst : innerFirst,
    bOffset: transposeB ? innerFirst : columnFirst,
  };
  const layout = { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB, ...storageConstants(args.b) };
  const masks = { DROPOUT_A: dropout?.of === 'a', DROPOUT_B: dropout?.of === 'b' };
  if (!workspace) {
    dispatchProduct(device, plan, {
      bindings: { ...bindings, ...end.bindings },
      parameters: { ...parameters, innerPerSplit: inner },
      constants: { ...end.constants, ...layout },
      joined: { ...end.update, ...masks },
      splits,
    });
    return;
  }
  dispatchProduct(device, plan, {
    bindings: { ...bindings, bias: undefined, updateA: undefined, updateB: undefined, out: workspace },
    parameters: { ...parameters, outStride: columns, outOffset: 0, alpha: 1 },
    constants: { VECTOR: vector, ...layout },
    joined: masks,
    splits,
  });
  const fours = n % 4 === 0 && columns % 4 === 0;
  device.recorder.dispatch(splitSumKernel, {
    bindings: { partial: workspace, ...end.bindings },
    parameters: { ...end.parameters, splits },
    constants: { ...end.constants, ...end.update, VECTOR: fours },
    workgroups: Math.ceil((rows * columns) / (fours ? 4 : 1) / 64),
  });
  device.memory.releaseEarly(workspace);
}

/** One stage of a product by the variant of the plan. */
function dispatchProduct(
  device: Device,
  plan: MatmulPlan,
  stage: Pick<DispatchArguments<typeof skinnyKernel.declaration>, 'bindings' | 'parameters'> & {
    /** Constants of every variant. */
    readonly constants: NonNullable<DispatchArguments<typeof softwareKernel.declaration>['constants']>;
    /** Constants of update and dropout, for which the software variant has no place. */
    readonly joined: Pick<
      NonNullable<DispatchArguments<typeof skinnyKernel.declaration>['constants']>,
      'RANK' | 'TRANSPOSE_UPDATE' | 'DROPOUT_UPDATE' | 'DROPOUT_A' | 'DROPOUT_B'
    >;
    readonly splits: number;
  },
): void {
  const { bindings, parameters, constants, joined, splits } = stage;
  const { workgroupSize: WORKGROUP_SIZE, rows: ROWS, columns: COLUMNS, innerStep, lanesOnRows: LANES_ON_ROWS } = plan;
  const common = { bindings, parameters, workgroups: plan.uniformTiles * plan.laneTiles * splits };
  const all = { ...constants, ...joined };
  if (plan.matrix) {
    const { unitM: UNIT_M, unitN: UNIT_N, unitK: UNIT_K, subgroupSize: SUBGROUP_SIZE } = plan.matrix;
    const { subgroupRows: SUBGROUP_ROWS, subgroupColumns: SUBGROUP_COLUMNS } = plan.matrix;
    const units = { UNIT_M, UNIT_N, UNIT_K, SUBGROUP_SIZE, SUBGROUP_ROWS, SUBGROUP_COLUMNS };
    // Halves that come by the four need no rounding.
    const HALVES = all.VECTOR === true && all.BITS === 16 && all.BFLOAT === false;
    const tile = { ROWS, COLUMNS, SLAB: innerStep, ...units, HALVES };
    device.recorder.dispatch(matrixKernel, { ...common, constants: { ...all, ...tile } });
  } else if (plan.variant === 'tiled') {
    const tile = { ROWS, COLUMNS, SLAB: innerStep, COLUMN_THREADS: WORKGROUP_SIZE / tiledThreads };
    device.recorder.dispatch(tiledKernel, { ...common, constants: { ...all, ...tile } });
  } else if (plan.variant === 'skinny') {
    const tile = { SHORT: LANES_ON_ROWS ? COLUMNS : ROWS, LANES_ON_ROWS, WORKGROUP_SIZE };
    device.recorder.dispatch(skinnyKernel, { ...common, constants: { ...all, ...tile } });
  } else {
    const tile = { ROWS, COLUMNS, LANES_ON_ROWS, WORKGROUP_SIZE, INNER_STEP: all.VECTOR === true ? innerStep : 1 };
    device.recorder.dispatch(softwareKernel, { ...common, constants: { ...constants, ...tile } });
  }
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
