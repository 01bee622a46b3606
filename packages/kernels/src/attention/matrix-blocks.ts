/** Attention by matrix units: blocks of a workgroup, how its subgroups share them, and what they need. Pure. */
import {
  type MatrixCapabilities,
  type MatrixFeatures,
  type MatrixTile,
  matrixObstacle,
  unitOf,
} from '../matmul/matrix-tiles';

/** Products of a pass: matrices of scores, and sums of weighted rows. */
export const matrixPasses = {
  forward: { pairs: 1, sums: 1 },
  backwardQuery: { pairs: 2, sums: 1 },
  backwardKey: { pairs: 2, sums: 2 },
} as const;

/** A kernel of attention. */
export type AttentionPass = keyof typeof matrixPasses;

/** Tile whose rows the subgroups of a workgroup share, multiplied by matrix units. */
export interface MatrixBlockTile extends Pick<MatrixTile, 'unitM' | 'unitN' | 'unitK' | 'subgroupSize'> {
  /** Subgroups of a workgroup. */
  readonly subgroups: number;
  /** Rows of a workgroup: queries, or keys in the pass for keys and values. */
  readonly rows: number;
  /** Rows of the other side that lie in workgroup memory at once. */
  readonly step: number;
  /** As of a block that invocations share. */
  readonly members: number;
}

/**
 * Rows and steps, the largest first: each value that is copied into workgroup memory serves as many multiplications as
 * there are rows.
 */
const sides = [
  [64, 32],
  [32, 32],
  [32, 16],
  [16, 16],
] as const;

/** Subgroups, what is tried first. Few of them read less of workgroup memory for a product, many wait less for it. */
const subgroupsOf = {
  forward: [4, 8, 2, 1],
  backwardQuery: [4, 8, 2, 1],
  backwardKey: [8, 4, 2, 1],
} as const satisfies Record<AttentionPass, readonly number[]>;

/** Results that a subgroup computes side by side: of scores, and of sums. Fractions where its share is no whole one. */
export function matrixShares(
  pass: AttentionPass,
  { subgroups, rows, step, unitM, unitN }: MatrixBlockTile,
  headDim: number,
): { readonly scores: number; readonly columns: number } {
  const { pairs, sums } = matrixPasses[pass];
  const rowUnits = rows / unitM;
  return {
    scores: (step / unitN / subgroups) * pairs * rowUnits,
    columns: Math.ceil((headDim / unitN / subgroups) * sums * rowUnits),
  };
}

/** Every block of a pass that a device has room for, the one to take first. All with one member. */
export function matrixBlocks(
  pass: AttentionPass,
  headDim: number,
  capabilities: Pick<MatrixCapabilities, 'limits'> & MatrixFeatures,
): readonly MatrixBlockTile[] {
  const unit = unitOf(capabilities);
  if (!unit || headDim % unit.n !== 0 || headDim % unit.k !== 0) return [];
  const { limits } = capabilities;
  const lanes = Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX);
  const [subgroupSize] = capabilities.subgroupSize;
  const units = { unitM: unit.m, unitN: unit.n, unitK: unit.k, subgroupSize };
  return sides
    .flatMap(([rows, step]) => subgroupsOf[pass].map((subgroups) => ({ ...units, subgroups, rows, step, members: 1 })))
    .filter(({ step, subgroups }) => step % unit.k === 0 && subgroups * subgroupSize <= lanes)
    .filter((tile) => dividesEvenly(pass, tile, headDim))
    .filter((tile) => workgroupBytes(pass, tile, headDim) <= limits.maxComputeWorkgroupStorageSize);
}

/**
 * Why attention of a head size cannot run on an adapter's matrix units, in words that end a sentence; null where it can.
 */
export function attentionMatrixObstacle(headDim: number, capabilities: MatrixCapabilities): string | null {
  const obstacle = matrixObstacle(capabilities);
  if (obstacle !== null) return obstacle;
  const { m, n, k } = unitOf(capabilities)!;
  if (headDim % n !== 0 || headDim % k !== 0)
    return `has matrix units of ${m}x${n}x${k}, which do not divide heads of ${headDim}`;
  const passes = Object.keys(matrixPasses) as AttentionPass[];
  if (passes.every((pass) => matrixBlocks(pass, headDim, capabilities).length > 0)) return null;
  return `has too little workgroup memory for heads of ${headDim}`;
}

/** Whether subgroups have equal shares of every product, and invocations of the scores. */
function dividesEvenly(pass: AttentionPass, tile: MatrixBlockTile, headDim: number): boolean {
  const { pairs, sums } = matrixPasses[pass];
  const { subgroups, rows, step, unitM, subgroupSize } = tile;
  const rowUnits = rows / unitM;
  const lanes = subgroups * subgroupSize;
  const quads = step / 4;
  return (
    Number.isInteger(matrixShares(pass, tile, headDim).scores) &&
    subgroups % (pairs * rowUnits) === 0 &&
    subgroups % (sums * rowUnits) === 0 &&
    lanes % quads === 0 &&
    (rows * quads) % lanes === 0
  );
}

/** Bytes of workgroup memory: rows of both sides and weights in halves, scores in f32, each line with its padding. */
function workgroupBytes(pass: AttentionPass, tile: MatrixBlockTile, headDim: number): number {
  const { pairs, sums } = matrixPasses[pass];
  const { subgroups, rows, step, unitM, unitN } = tile;
  const { columns } = matrixShares(pass, tile, headDim);
  const width = (subgroups / (sums * (rows / unitM))) * columns * unitN;
  const halves = (pairs * rows + 2 * step) * (width + 8) + sums * rows * (step + 8);
  return 2 * halves + 4 * pairs * rows * (step + 4);
}
