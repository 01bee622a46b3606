// Chooses variant, tile sizes and splits of a matrix product. Pure: same arguments, same plan.
import { type Capabilities, InputError } from '@crossgate/gpu';
import { multiprocessors } from '../multiprocessors';
import {
  leastMatrixInner,
  type MatrixCapabilities,
  type MatrixFeatures,
  type MatrixTile,
  matrixObstacle,
  matrixTileFor,
  matrixTiles,
} from './matrix-tiles';

/** Sizes and layout of out[m, n] = op(a) · op(b) with op(a) [m, k] and op(b) [k, n]. */
export interface MatmulShape {
  /** Rows of the result; 0 does nothing, by the plan of 1. */
  readonly m: number;
  /** Columns of the result; 0 does nothing, by the plan of 1. */
  readonly n: number;
  /** Length of the inner axis, at least 1. */
  readonly k: number;
  /** a is stored [k, m]. Default false. */
  readonly transposeA?: boolean;
  /** b is stored [n, k]. Default false. */
  readonly transposeB?: boolean;
  /** In which type values are multiplied. Default `f32`. */
  readonly precision?: MatmulPrecision;
}

/**
 * In which type a product multiplies; it always adds in f32. `f16` rounds both operands to halves, for matrix units:
 * values beyond 65,504 become infinite, those below 6e-8 zero. Products of few rows or columns are in f32 in any case:
 * memory limits them.
 */
export type MatmulPrecision = 'f32' | 'f16';

/** How a matrix product is divided. */
export interface MatmulPlan {
  /**
   * `software`: register tiles only. `tiled`: tiles in workgroup memory. `matrix`: these in f16, multiplied by matrix
   * units. `skinny`: no tiles, for few rows or columns, and no parts of the inner axis.
   */
  readonly variant: 'software' | 'tiled' | 'matrix' | 'skinny';
  /** Rows of the output that one invocation (matrix: one subgroup) computes. */
  readonly rows: number;
  /** Columns of the output that one invocation (matrix: one subgroup) computes. */
  readonly columns: number;
  /** software, skinny: the lanes of a workgroup lie along rows (else along columns). */
  readonly lanesOnRows: boolean;
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
  /** Operands are read as vectors of four; every contiguous extent is a multiple of 4. */
  readonly vector: boolean;
  /** Inner positions per loop iteration (software, skinny), or of a tile (tiled, matrix). */
  readonly innerStep: number;
  /** Workgroup tiles along the side that lanes share (software, skinny) or along rows (tiled, matrix). */
  readonly uniformTiles: number;
  /** Workgroup tiles along the other side. */
  readonly laneTiles: number;
  /** Parts of the inner axis, summed in a second stage when more than one. */
  readonly splits: number;
  /** Inner positions of a part, a multiple of 4. */
  readonly innerPerSplit: number;
  /** matrix: units and subgroups; null for other variants. */
  readonly matrix: MatrixTile | null;
}

/** What {@link planMatmul} asks of a device. What matrix units depend on is read for a precision of f16 alone. */
export type MatmulCapabilities = Pick<Capabilities, 'software' | 'limits' | 'name' | 'architecture'> &
  Partial<MatrixFeatures>;

/** Invocations along the rows of a tiled workgroup, and along its columns: all of them, or half as many. */
export const tiledThreads = 16;

/** Invocations of a skinny workgroup along its long side, four values each: 64 bytes, which memory gives at once. */
export const skinnyLanes = 4;

/** Most rows, or columns, of a skinny product. From 9 on, what its long side reads is read twice. */
const mostSkinny = 16;

/** Inner positions from which a skinny product of few workgroups is divided by tiles instead. Not measured yet. */
const longInner = 4096;

/** Lanes of a software workgroup: what lavapipe computes at once with AVX2, and most in flight elsewhere. */
const softwareLanes = 8;

interface RegisterTile {
  readonly rows: number;
  readonly columns: number;
  readonly lanesOnRows: boolean;
  /** Measured throughput on full tiles, relative to the best. */
  readonly efficiency: number;
}

const tile = (rows: number, columns: number, lanesOn: 'rows' | 'columns', efficiency: number): RegisterTile => ({
  rows,
  columns,
  lanesOnRows: lanesOn === 'rows',
  efficiency,
});

/**
 * Register tiles of the software variant by operand layout, with throughput measured on lavapipe (Mesa 26, AVX2) at
 * 1200x64x64, 1200x64x172, 1200x172x64, 512x512x512 and 64x64x4800. The small ones exist for narrow outputs.
 */
const registerTiles: Readonly<Record<'transposedB' | 'plain' | 'transposedA', readonly RegisterTile[]>> = {
  transposedB: [
    tile(16, 8, 'columns', 1),
    tile(8, 16, 'rows', 0.98),
    tile(4, 16, 'rows', 0.94),
    tile(8, 8, 'rows', 0.82),
    tile(8, 8, 'columns', 0.78),
    tile(4, 4, 'rows', 0.5),
    tile(4, 4, 'columns', 0.5),
    tile(1, 4, 'columns', 0.2),
  ],
  plain: [
    tile(16, 8, 'columns', 1),
    tile(32, 4, 'columns', 0.95),
    tile(8, 8, 'columns', 0.8),
    tile(4, 16, 'rows', 0.75),
    tile(8, 8, 'rows', 0.68),
    tile(4, 4, 'rows', 0.45),
    tile(4, 4, 'columns', 0.5),
    tile(1, 4, 'columns', 0.2),
  ],
  transposedA: [
    tile(16, 8, 'columns', 1),
    tile(4, 16, 'rows', 0.85),
    tile(8, 8, 'rows', 0.8),
    tile(8, 8, 'columns', 0.7),
    tile(4, 4, 'rows', 0.4),
    tile(4, 4, 'columns', 0.4),
  ],
};

/**
 * Chooses variant and tile sizes for C[M,N] = A[M,K] · B[K,N]. Pure: same arguments, same plan.
 *
 * @throws InputError for a precision of f16 on an adapter that cannot multiply so, and on every software adapter.
 */
export function planMatmul(shape: MatmulShape, capabilities: MatmulCapabilities): MatmulPlan {
  // Nothing has no useful share of a tile, by which tiles are chosen.
  const some = { ...shape, m: Math.max(1, shape.m), n: Math.max(1, shape.n) };
  const halves = some.precision === 'f16';
  if (halves) requireMatrices({ ...noMatrices, ...capabilities });
  if (capabilities.software) return softwarePlan(some);
  if (Math.min(some.m, some.n) <= mostSkinny) {
    const plan = skinnyPlan(some);
    // Where its few workgroups would leave most of the GPU idle for long, tiles divide the inner axis among all of it.
    const idle = 8 * plan.uniformTiles * plan.laneTiles < multiprocessors(capabilities) && some.k >= longInner;
    return idle ? tiledPlan(some, capabilities) : plan;
  }
  return halves ? matrixPlan(some, { ...noMatrices, ...capabilities }) : tiledPlan(some, capabilities);
}

/** The plan of the software variant. */
function softwarePlan(shape: MatmulShape): MatmulPlan {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  const vector = readsVectors(shape);
  let best: RegisterTile | undefined;
  let bestScore = 0;
  for (const candidate of registerTiles[transposeA ? 'transposedA' : transposeB ? 'transposedB' : 'plain']) {
    const rowsPerWorkgroup = candidate.rows * (candidate.lanesOnRows ? softwareLanes : 1);
    const columnsPerWorkgroup = candidate.columns * (candidate.lanesOnRows ? 1 : softwareLanes);
    const useful = (m * n) / (roundUp(m, rowsPerWorkgroup) * roundUp(n, columnsPerWorkgroup));
    if (useful * candidate.efficiency > bestScore) {
      best = candidate;
      bestScore = useful * candidate.efficiency;
    }
  }
  const { rows, columns, lanesOnRows } = best!;
  const rowTiles = Math.ceil(m / rows);
  const columnTiles = Math.ceil(n / columns);
  const uniformTiles = lanesOnRows ? columnTiles : rowTiles;
  const laneTiles = Math.ceil((lanesOnRows ? rowTiles : columnTiles) / softwareLanes);
  return {
    variant: 'software',
    rows,
    columns,
    lanesOnRows,
    workgroupSize: softwareLanes,
    vector,
    // Vectors along the inner axis hold four positions; otherwise the axis may have any length.
    innerStep: vector && (!transposeA || transposeB) ? 4 : 1,
    uniformTiles,
    laneTiles,
    // About 16 workgroups.
    ...divideInner(k, 16 / (uniformTiles * laneTiles), 128),
    matrix: null,
  };
}

/** The plan of the skinny variant: eight of the short side for an invocation, or as many as there are. */
function skinnyPlan(shape: MatmulShape): MatmulPlan {
  const { m, n, k } = shape;
  const lanesOnRows = m > n;
  const [long, short] = lanesOnRows ? [m, n] : [n, m];
  const width = [1, 2, 4].find((each) => each >= short) ?? 8;
  // Invocations that share the inner axis, with at least four fours of it for each.
  const sharers = [64, 32, 16].find((each) => 16 * each <= k) ?? 8;
  return {
    variant: 'skinny',
    ...(lanesOnRows ? { rows: 4, columns: width } : { rows: width, columns: 4 }),
    lanesOnRows,
    workgroupSize: skinnyLanes * sharers,
    vector: readsVectors(shape),
    innerStep: 4,
    uniformTiles: Math.ceil(short / width),
    laneTiles: Math.ceil(long / (4 * skinnyLanes)),
    ...divideInner(k, 1, k),
    matrix: null,
  };
}

/** The plan of the tiled variant: the largest tiles of which every multiprocessor gets one. */
function tiledPlan(shape: MatmulShape, { limits, ...adapter }: MatmulCapabilities): MatmulPlan {
  const { m, n, k } = shape;
  const processors = multiprocessors(adapter);
  const tilesOf = ({ perInvocation, columnThreads }: TiledSize) =>
    Math.ceil(m / (perInvocation * tiledThreads)) * Math.ceil(n / (perInvocation * columnThreads));
  const size = tiledSizes.find((each) => tilesOf(each) >= processors) ?? tiledSizes.at(-1)!;
  const { perInvocation, columnThreads } = size;
  const innerStep = tiledBytes(perInvocation, 16) <= limits.maxComputeWorkgroupStorageSize ? 16 : 8;
  // With the registers that they take, two workgroups work on a multiprocessor at once. Parts of the inner axis cost a
  // second stage: more than what a quarter of the multiprocessors would do meanwhile.
  const target = 2 * processors;
  const tiles = tilesOf(size);
  const parts = tiles >= 0.75 * target ? 1 : target / tiles;
  return {
    variant: 'tiled',
    rows: perInvocation,
    columns: perInvocation,
    lanesOnRows: false,
    workgroupSize: tiledThreads * columnThreads,
    vector: readsVectors(shape),
    innerStep,
    uniformTiles: Math.ceil(m / (perInvocation * tiledThreads)),
    laneTiles: Math.ceil(n / (perInvocation * columnThreads)),
    ...divideInner(k, parts, leastInner),
    matrix: null,
  };
}

/** Fewest inner positions that a part of the inner axis is worth. */
const leastInner = 256;

/** A tile of the tiled variant: the side of an invocation's square, and the invocations along columns. */
interface TiledSize {
  readonly perInvocation: number;
  readonly columnThreads: number;
}

/** Tiles of 128x128, 64x64 and 64x32. */
const tiledSizes: readonly TiledSize[] = [
  { perInvocation: 8, columnThreads: tiledThreads },
  { perInvocation: 4, columnThreads: tiledThreads },
  { perInvocation: 4, columnThreads: tiledThreads / 2 },
];

const noMatrices: MatrixFeatures = { f16: false, subgroups: false, subgroupSize: [1, 1], matrixConfigurations: [] };

/** @throws InputError for an adapter that cannot multiply in f16. */
function requireMatrices(capabilities: MatrixCapabilities): void {
  const room = matrixTiles(capabilities).length > 0 ? null : 'has too little workgroup memory for a tile';
  const why = matrixObstacle(capabilities) ?? room;
  if (why) throw new InputError(`matmul: precision f16 needs matrix units, but ${capabilities.name} ${why}`);
}

/** The plan of the matrix variant. */
function matrixPlan(shape: MatmulShape, capabilities: MatrixCapabilities): MatmulPlan {
  const matrix = matrixTileFor(shape, capabilities)!;
  const target = 2 * multiprocessors(capabilities);
  const plan = planByTile(shape, matrix, 1);
  const tiles = plan.uniformTiles * plan.laneTiles;
  return { ...plan, ...divideInner(shape.k, tiles >= 0.75 * target ? 1 : target / tiles, leastMatrixInner) };
}

/** The plan of the matrix variant by a given tile, with the inner axis in at most `splits` parts. */
export function planByTile(shape: MatmulShape, matrix: MatrixTile, splits: number): MatmulPlan {
  const { rows, columns, innerStep, subgroupRows, subgroupColumns, subgroupSize } = matrix;
  return {
    ...{ variant: 'matrix', rows, columns, innerStep, lanesOnRows: false, matrix },
    workgroupSize: subgroupRows * subgroupColumns * subgroupSize,
    vector: readsVectors(shape),
    uniformTiles: Math.ceil(shape.m / (rows * subgroupRows)),
    laneTiles: Math.ceil(shape.n / (columns * subgroupColumns)),
    ...divideInner(shape.k, splits, 1),
  };
}

/** Bytes of both tiles in workgroup memory, with a vec4 of padding for each inner position. */
function tiledBytes(perInvocation: number, innerStep: number): number {
  return 2 * innerStep * (perInvocation * tiledThreads + 4) * 4;
}

/** Whether the contiguous extents of a, b and out are multiples of 4. */
function readsVectors({ m, n, k, transposeA = false, transposeB = false }: MatmulShape): boolean {
  return (transposeA ? m : k) % 4 === 0 && (transposeB ? k : n) % 4 === 0 && n % 4 === 0;
}

/** Divides the inner axis into about `parts`, each of at least `least` positions. */
function divideInner(k: number, parts: number, least: number): { splits: number; innerPerSplit: number } {
  const wanted = Math.max(1, Math.min(Math.ceil(parts), Math.floor(k / least), 64));
  const innerPerSplit = roundUp(Math.ceil(k / wanted), 4);
  return { splits: Math.ceil(k / innerPerSplit), innerPerSplit };
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
