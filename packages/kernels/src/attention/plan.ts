/** Chooses tiles of attention, and when few tokens share the keys of a long cache. Pure: same arguments, same plan. */
import type { Capabilities } from '@crossgate/gpu';
import type { MatrixFeatures } from '../matmul/matrix-tiles';
import type { MatmulPrecision } from '../matmul/plan';
import { multiprocessors } from '../multiprocessors';
import { type PlanCapabilities, softwareWorkgroupSize } from '../plan';
import { type AttentionPass, attentionMatrixObstacle, type MatrixBlockTile, matrixBlocks } from './matrix-blocks';

/** Sizes of attention over packed sequences. */
export interface AttentionShape {
  /** Tokens of all sequences together. */
  readonly tokens: number;
  /** Query heads; a multiple of keyValueHeads. Query head h reads key/value head h / (heads / keyValueHeads). */
  readonly heads: number;
  /** Key/value heads, each read by as many query heads. */
  readonly keyValueHeads: number;
  /** Elements per head, 1 to 256. */
  readonly headDim: number;
  /** Factor of the scores, usually 1/√headDim. */
  readonly scale: number;
  /**
   * In which type values are multiplied; sums are f32. Default `f32`. `f16` rounds queries, keys, values, probabilities and
   * gradients to halves where matrix units can multiply them, and is `f32` elsewhere: see {@link attentionMatrixObstacle}.
   */
  readonly precision?: MatmulPrecision;
}

/** Tile of one attention kernel: what an invocation holds in registers, and what it walks over at a time. */
export interface RowTile {
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
  /** Rows that each invocation holds: queries, or keys in the pass for keys and values. */
  readonly rows: number;
  /** Rows of the other side per step of the loop. */
  readonly step: number;
}

/**
 * Tile whose rows the invocations of a workgroup share: 32 rows, against 32 of the other side at a time. An invocation
 * holds part of a row only, and less of it the more they are.
 */
export interface BlockTile {
  /** Invocations per workgroup: 64, 128 or 256. */
  readonly workgroupSize: number;
  /**
   * In the pass for keys and values, query heads of one key/value head that a workgroup walks, one after another: all,
   * or fewer, where more workgroups are needed. 1 in the other passes.
   */
  readonly members: number;
}

/** How one attention kernel is divided. */
export type AttentionTile = RowTile | BlockTile | MatrixBlockTile;

/** Tiles of the three kernels of attention. */
export interface AttentionPlan {
  /** Of the forward pass, with a cache or without. */
  readonly forward: AttentionTile;
  /** Of the gradient with respect to queries. */
  readonly backwardQuery: AttentionTile;
  /** Of the gradients with respect to keys and values. */
  readonly backwardKey: AttentionTile;
}

/** Rows of a block of a {@link BlockTile}, and of what it walks over at a time. */
export const blockRows = 32;
/** Shortest heads that fill the eight columns of invocations of a {@link BlockTile}, four elements each. */
const shortestBlockHead = 32;
/** Workgroups that keep a multiprocessor busy: of a {@link BlockTile}, and of a {@link MatrixBlockTile}. */
const [busyWorkgroups, busyMatrixWorkgroups] = [8, 4];

/** What {@link planAttention} asks of a device. What matrix units depend on is read for a precision of f16 alone. */
export type AttentionCapabilities = Pick<Capabilities, 'software' | 'name' | 'architecture'> &
  Partial<MatrixFeatures & Pick<Capabilities, 'limits'>>;

/** Invocations of a block, so many that 32 values of each sum are the most that one of them holds. */
const blockWorkgroupSize = (headDim: number): number => (headDim <= 128 ? 128 : 256);

/**
 * Chooses the tiles. Pure: same arguments, same plan. On software adapters an invocation holds several short rows,
 * because a load costs about twenty multiplications there; rows and steps shrink as heads grow, to bound both the
 * registers and the unrolled text. On hardware, where a row of a long head would not fit the registers, a workgroup
 * shares a block of rows. With a precision of f16 it multiplies them by matrix units, in all three kernels or in none.
 */
export function planAttention(
  shape: Pick<AttentionShape, 'tokens' | 'heads' | 'keyValueHeads' | 'headDim' | 'precision'>,
  capabilities: AttentionCapabilities,
): AttentionPlan {
  const { tokens, heads, keyValueHeads, headDim } = shape;
  if (shape.precision === 'f16') {
    const plan = matrixPlan(shape, capabilities);
    if (plan) return plan;
  }
  if (capabilities.software) {
    const rows = headDim <= 8 ? 4 : headDim <= 20 ? 2 : 1;
    const step = headDim <= 32 ? 2 : 1;
    const tile = { workgroupSize: softwareWorkgroupSize, rows, step };
    return { forward: tile, backwardQuery: tile, backwardKey: tile };
  }
  if (headDim < shortestBlockHead) {
    const tile = { workgroupSize: 64, rows: 1, step: 2 };
    return { forward: tile, backwardQuery: tile, backwardKey: tile };
  }
  const query = { workgroupSize: blockWorkgroupSize(headDim), members: 1 };
  const workgroups = busyWorkgroups * multiprocessors(capabilities);
  const members = membersFor({ tokens, heads, keyValueHeads }, blockRows, workgroups);
  return {
    forward: query,
    backwardQuery: query,
    backwardKey: { workgroupSize: blockWorkgroupSize(headDim), members },
  };
}

/** Query heads of a group that a workgroup walks, so that blocks of so many keys make about `workgroups`. */
function membersFor(
  { tokens, heads, keyValueHeads }: Pick<AttentionShape, 'tokens' | 'heads' | 'keyValueHeads'>,
  rows: number,
  workgroups: number,
): number {
  const parts = Math.ceil(workgroups / (Math.ceil(tokens / rows) * keyValueHeads));
  return Math.max(1, Math.floor(heads / keyValueHeads / parts));
}

/** The plan by matrix units; null where a device has none for these heads. */
function matrixPlan(
  shape: Pick<AttentionShape, 'tokens' | 'heads' | 'keyValueHeads' | 'headDim'>,
  capabilities: AttentionCapabilities,
): AttentionPlan | null {
  const { f16 = false, subgroups = false, subgroupSize = [1, 1], matrixConfigurations = [], limits } = capabilities;
  if (!limits) return null;
  const device = { ...capabilities, f16, subgroups, subgroupSize, matrixConfigurations, limits };
  if (attentionMatrixObstacle(shape.headDim, device) !== null) return null;
  const tileOf = (pass: AttentionPass) => matrixBlocks(pass, shape.headDim, device)[0]!;
  const [forward, backwardQuery, backwardKey] = [tileOf('forward'), tileOf('backwardQuery'), tileOf('backwardKey')];
  const workgroups = busyMatrixWorkgroups * multiprocessors(capabilities);
  const members = membersFor(shape, backwardKey.rows, workgroups);
  return { forward, backwardQuery, backwardKey: { ...backwardKey, members } };
}

/** What {@link planDecode} chooses: invocations that share the keys of one token and head. */
export interface DecodePlan {
  /** Invocations per workgroup, a power of two. */
  readonly workgroupSize: number;
  /** Whether they share one copy of the query in workgroup memory. */
  readonly sharedQuery: boolean;
}

/**
 * Chooses how few tokens attend to many cached ones: a workgroup for each token and head, or null for blocks of tokens
 * as {@link planAttention} has them, which leave all but `tokens` invocations idle. Pure: same arguments, same plan.
 */
export function planDecode(
  shape: Pick<AttentionShape, 'tokens' | 'headDim'> & {
    /** Earlier tokens that the sequences go on from. */
    readonly cacheLength: number;
  },
  capabilities: PlanCapabilities,
): DecodePlan | null {
  const { tokens, headDim, cacheLength } = shape;
  const { software } = capabilities;
  // On lavapipe a single token is 1.4 to 1.9 times as fast, but four take twice as long as in a block of eight.
  if (tokens > (software ? 1 : 4) || cacheLength < 32) return null;
  // At most 8 KiB of workgroup memory for the sums that are handed on.
  const wide = headDim <= 64 ? 64 : headDim <= 128 ? 32 : 16;
  return { workgroupSize: software ? softwareWorkgroupSize : wide, sharedQuery: !software };
}
