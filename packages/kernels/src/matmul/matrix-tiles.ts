// Products by matrix units: which units of an adapter serve, and the tile of a workgroup. Pure.
import type { Capabilities, MatrixConfiguration } from '@crossgate/gpu';
import { multiprocessors } from '../multiprocessors';

/** What an adapter's matrix units depend on. */
export type MatrixFeatures = Pick<Capabilities, 'f16' | 'subgroups' | 'subgroupSize' | 'matrixConfigurations'>;

/** What the choice of a tile asks of a device. */
export type MatrixCapabilities = MatrixFeatures & Pick<Capabilities, 'software' | 'limits' | 'name' | 'architecture'>;

/** How a workgroup shares its tile among subgroups, and what they multiply by. */
export interface MatrixTile {
  /** Rows of a unit's left operand and result. */
  readonly unitM: number;
  /** Columns of its right operand and result. */
  readonly unitN: number;
  /** Columns of its left operand, rows of its right one. */
  readonly unitK: number;
  /** Invocations of a subgroup. */
  readonly subgroupSize: number;
  /** Subgroups along the rows of the tile. */
  readonly subgroupRows: number;
  /** Subgroups along its columns. */
  readonly subgroupColumns: number;
  /** Rows of a subgroup's part of the tile. */
  readonly rows: number;
  /** Columns of that part. */
  readonly columns: number;
  /** Inner positions that lie in workgroup memory at once. */
  readonly innerStep: number;
}

/**
 * Parts of a subgroup and subgroups along each side: tiles of 128x128, 128x64 and 64x64, and two narrow ones for the
 * ranks of LoRA. By twins in CUDA with f32 operands, they take 128, 166, 94 and 56 registers and no stack. Parts of 64x64
 * would take 254 of 255, which leaves no room for the bounds that WebGPU adds to indices.
 */
const parts = [
  { rows: 64, columns: 32, subgroupRows: 2, subgroupColumns: 4 },
  { rows: 64, columns: 32, subgroupRows: 2, subgroupColumns: 2 },
  { rows: 32, columns: 32, subgroupRows: 2, subgroupColumns: 2 },
  { rows: 16, columns: 16, subgroupRows: 4, subgroupColumns: 1 },
  { rows: 16, columns: 16, subgroupRows: 1, subgroupColumns: 4 },
] as const;

const innerStep = 32;

/**
 * Why products of f16 with sums in f32 cannot run on an adapter's matrix units, in words that end a sentence; null
 * where they can.
 */
export function matrixObstacle(capabilities: MatrixFeatures & Pick<Capabilities, 'software'>): string | null {
  const { software, f16, subgroups, subgroupSize, matrixConfigurations } = capabilities;
  if (software) return 'is a program on the processor, which only imitates matrix units';
  if (!f16) return 'does not compute in f16 (the feature shader-f16)';
  if (!subgroups || matrixConfigurations.length === 0) {
    return 'offers no matrix units (the feature chromium-experimental-subgroup-matrix)';
  }
  if (subgroupSize[0] !== subgroupSize[1]) return `has subgroups of ${subgroupSize.join(' to ')}, not of one size`;
  if (unitOf(capabilities)) return null;
  const shapes = matrixConfigurations.map(({ component, result, m, n, k }) => `${m}x${n}x${k} ${component}→${result}`);
  return `has matrix units of other kinds only: ${shapes.join(', ')}`;
}

/** The largest unit that takes f16, sums in f32, and divides the parts of subgroups. */
export function unitOf({ matrixConfigurations }: MatrixFeatures): MatrixConfiguration | undefined {
  const size = ({ m, n, k }: MatrixConfiguration) => m * n * k;
  return matrixConfigurations
    .filter(({ component, result }) => component === 'f16' && result === 'f32')
    .filter(({ m, n, k }) => 16 % m === 0 && 16 % n === 0 && innerStep % k === 0)
    .reduce<MatrixConfiguration | undefined>(
      (best, unit) => (best && size(best) >= size(unit) ? best : unit),
      undefined,
    );
}

/** Every tile that a device has room for, the largest first. */
export function matrixTiles(capabilities: MatrixCapabilities): readonly MatrixTile[] {
  const unit = unitOf(capabilities);
  if (!unit) return [];
  const { limits } = capabilities;
  const bytes = limits.maxComputeWorkgroupStorageSize;
  // A workgroup lies along one axis.
  const lanes = Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX);
  const [subgroupSize] = capabilities.subgroupSize;
  return parts
    .map((part) => ({ unitM: unit.m, unitN: unit.n, unitK: unit.k, subgroupSize, ...part, innerStep }))
    .filter((tile) => workgroupBytes(tile) <= bytes && tile.subgroupRows * tile.subgroupColumns * subgroupSize <= lanes)
    .filter(copiesEvenly);
}

/**
 * The tile for out [m, n]: what it reuses of what it loads, times its useful share, times the share of the GPU that the
 * tiles of the product keep busy. An estimate, which no GPU has been asked about yet.
 *
 * @returns undefined where the device has room for none.
 */
export function matrixTileFor(
  { m, n, k }: { readonly m: number; readonly n: number; readonly k: number },
  capabilities: MatrixCapabilities,
): MatrixTile | undefined {
  const processors = multiprocessors(capabilities);
  const divisions = Math.max(1, k / (2 * leastMatrixInner));
  let best: MatrixTile | undefined;
  let bestScore = 0;
  for (const tile of matrixTiles(capabilities)) {
    const [rows, columns] = [tile.rows * tile.subgroupRows, tile.columns * tile.subgroupColumns];
    const [rowTiles, columnTiles] = [Math.ceil(m / rows), Math.ceil(n / columns)];
    const useful = (m * n) / (rowTiles * rows * columnTiles * columns);
    // Parts of the inner axis, which are summed in a second stage, keep more of the GPU busy.
    const busy = Math.min(1, (rowTiles * columnTiles * divisions) / processors);
    const score = ((rows * columns) / (rows + columns)) * useful * busy;
    if (score > bestScore) {
      best = tile;
      bestScore = score;
    }
  }
  return best;
}

/**
 * Fewest inner positions that a part of the inner axis is worth: in that time a workgroup could write its tile, and read it
 * again for the second stage, several times.
 */
export const leastMatrixInner = 1024;

/** Bytes of workgroup memory: both tiles in halves, the longer way round, and an accumulator of each subgroup. */
function workgroupBytes(tile: MatrixTile): number {
  const { rows, columns, subgroupRows, subgroupColumns, unitM, unitN } = tile;
  const operand = (side: number) => 2 * Math.max(side * (innerStep + 8), innerStep * (side + 8));
  const accumulators = 4 * subgroupRows * subgroupColumns * unitM * unitN;
  return operand(rows * subgroupRows) + operand(columns * subgroupColumns) + accumulators;
}

/** Whether every invocation copies the same number of fours of each operand. */
function copiesEvenly({ rows, columns, subgroupRows, subgroupColumns, subgroupSize }: MatrixTile): boolean {
  const fours = (side: number) => (side * innerStep) / 4;
  return fours(rows) % (subgroupColumns * subgroupSize) === 0 && fours(columns) % (subgroupRows * subgroupSize) === 0;
}
