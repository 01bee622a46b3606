/** Chooses tiles of attention, and when few tokens share the keys of a long cache. Pure: same arguments, same plan. */
import { type PlanCapabilities, softwareWorkgroupSize } from '../plan';

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
}

/** Tile of one attention kernel: what an invocation holds in registers, and what it walks over at a time. */
export interface AttentionTile {
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
  /** Rows that each invocation holds: queries, or keys in the pass for keys and values. */
  readonly rows: number;
  /** Rows of the other side per step of the loop. */
  readonly step: number;
}

/** Tiles of the three kernels of attention. */
export interface AttentionPlan {
  /** Of the forward pass, with a cache or without. */
  readonly forward: AttentionTile;
  /** Of the gradient with respect to queries. */
  readonly backwardQuery: AttentionTile;
  /** Of the gradients with respect to keys and values. */
  readonly backwardKey: AttentionTile;
}

/**
 * Chooses the tiles. Pure: same arguments, same plan. On software adapters an invocation holds several short rows,
 * because a load costs about twenty multiplications there; rows and steps shrink as heads grow, to bound both the
 * registers and the unrolled text.
 */
export function planAttention(shape: Pick<AttentionShape, 'headDim'>, capabilities: PlanCapabilities): AttentionPlan {
  const { headDim } = shape;
  if (!capabilities.software) {
    const tile = { workgroupSize: 64, rows: 1, step: headDim <= 64 ? 2 : 1 };
    return { forward: tile, backwardQuery: tile, backwardKey: tile };
  }
  const rows = headDim <= 8 ? 4 : headDim <= 20 ? 2 : 1;
  const step = headDim <= 32 ? 2 : 1;
  const tile = { workgroupSize: softwareWorkgroupSize, rows, step };
  return { forward: tile, backwardQuery: tile, backwardKey: tile };
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
