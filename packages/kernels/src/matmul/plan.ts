// Chooses variant, tile sizes and splits of a matrix product. Pure: same arguments, same plan.
import type { Capabilities } from '@crossgate/gpu';

/** Sizes and layout of out[m, n] = op(a) · op(b) with op(a) [m, k] and op(b) [k, n]. */
export interface MatmulShape {
  /** Rows of the result; 0 does nothing. */
  readonly m: number;
  /** Columns of the result; 0 does nothing. */
  readonly n: number;
  /** Length of the inner axis, at least 1. */
  readonly k: number;
  /** a is stored [k, m]. Default false. */
  readonly transposeA?: boolean;
  /** b is stored [n, k]. Default false. */
  readonly transposeB?: boolean;
}

/** How a matrix product is divided. */
export interface MatmulPlan {
  /** `software`: register tiles only. `tiled`: tiles in workgroup memory. */
  readonly variant: 'software' | 'tiled';
  /** Rows of the output that one invocation computes. */
  readonly rows: number;
  /** Columns of the output that one invocation computes. */
  readonly columns: number;
  /** software: the lanes of a workgroup lie along rows (else along columns). */
  readonly lanesOnRows: boolean;
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
  /** software: operands are read as vectors of four; every contiguous extent is a multiple of 4. */
  readonly vector: boolean;
  /** Inner positions per loop iteration. */
  readonly innerStep: number;
  /** Workgroup tiles along the side that lanes share (software) or along rows (tiled). */
  readonly uniformTiles: number;
  /** Workgroup tiles along the other side. */
  readonly laneTiles: number;
  /** Parts of the inner axis, summed in a second stage when more than one. */
  readonly splits: number;
  /** Inner positions of a part, a multiple of 4. */
  readonly innerPerSplit: number;
}

/** What {@link planMatmul} asks of a device. */
export type MatmulCapabilities = Pick<Capabilities, 'software' | 'limits'>;

/** Invocations along each side of a tiled workgroup. */
export const tiledThreads = 16;

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

/** Chooses variant and tile sizes for C[M,N] = A[M,K] · B[K,N]. Pure: same arguments, same plan. */
export function planMatmul(shape: MatmulShape, capabilities: MatmulCapabilities): MatmulPlan {
  return capabilities.software ? softwarePlan(shape) : tiledPlan(shape, capabilities);
}

/** The plan of the software variant. */
function softwarePlan(shape: MatmulShape): MatmulPlan {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  // Contiguous extents of a, b and out.
  const vector = (transposeA ? m : k) % 4 === 0 && (transposeB ? k : n) % 4 === 0 && n % 4 === 0;
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
    ...divideInner(k, uniformTiles * laneTiles, 16, 128),
  };
}

/** The plan of the tiled variant: large tiles where they still fill the device. */
function tiledPlan(shape: MatmulShape, { limits }: MatmulCapabilities): MatmulPlan {
  const { m, n, k } = shape;
  const tilesOf = (perInvocation: number) => {
    const side = perInvocation * tiledThreads;
    return Math.ceil(m / side) * Math.ceil(n / side);
  };
  const shared = 2 * 8 * tiledThreads * 16 * 4;
  const large = tilesOf(8) >= 128 && limits.maxComputeWorkgroupStorageSize >= shared;
  const size = large ? 8 : 4;
  const uniformTiles = Math.ceil(m / (size * tiledThreads));
  const laneTiles = Math.ceil(n / (size * tiledThreads));
  return {
    variant: 'tiled',
    rows: size,
    columns: size,
    lanesOnRows: false,
    workgroupSize: tiledThreads * tiledThreads,
    vector: false,
    innerStep: 16,
    uniformTiles,
    laneTiles,
    ...divideInner(k, uniformTiles * laneTiles, 256, 256),
  };
}

/** Divides the inner axis until about `target` workgroups work, each on at least `least` positions. */
function divideInner(
  k: number,
  tiles: number,
  target: number,
  least: number,
): { splits: number; innerPerSplit: number } {
  const wanted = Math.max(1, Math.min(Math.ceil(target / tiles), Math.floor(k / least), 64));
  const innerPerSplit = roundUp(Math.ceil(k / wanted), 4);
  return { splits: Math.ceil(k / innerPerSplit), innerPerSplit };
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
