/** Causal attention over packed sequences with grouped heads, forward and backward, without a tokens² matrix. */
import { type BufferSlice, type Device, InputError } from '@crossgate/gpu';
import { planInvocations } from '../plan';
import { requireElements, requireSizes } from '../slices';
import {
  blockArguments,
  cachedBlockKernel,
  cachedKernel,
  decodeKernel,
  deltaKernel,
  forwardBlockKernel,
  forwardKernel,
  forwardMatrixKernel,
  keyBlockKernel,
  keyKernel,
  keyMatrixKernel,
  matrixArguments,
  queryBlockKernel,
  queryKernel,
  queryMatrixKernel,
  rowArguments,
  sumPartsKernel,
} from './kernels';
import type { MatrixBlockTile } from './matrix-blocks';
import {
  type AttentionPlan,
  type AttentionShape,
  type AttentionTile,
  type BlockTile,
  type DecodePlan,
  planAttention,
  planDecode,
} from './plan';

export { attentionMatrixObstacle, type MatrixBlockTile } from './matrix-blocks';
export {
  type AttentionCapabilities,
  type AttentionPlan,
  type AttentionShape,
  type AttentionTile,
  type BlockTile,
  type DecodePlan,
  planAttention,
  planDecode,
  type RowTile,
} from './plan';

/** Arguments of {@link attention}. */
export interface AttentionArguments extends AttentionShape {
  /** f32 [tokens, heads · headDim] */
  readonly query: BufferSlice;
  /** f32 [tokens, keyValueHeads · headDim] */
  readonly key: BufferSlice;
  /** f32 [tokens, keyValueHeads · headDim] */
  readonly value: BufferSlice;
  /** u32 [sequences + 1]: starts of the packed sequences, and the end. */
  readonly offsets: BufferSlice;
  /** u32 [tokens]: index of each token's sequence. */
  readonly sequenceOfToken: BufferSlice;
  /** f32 [tokens, heads · headDim], written. */
  readonly out: BufferSlice;
  /** f32 [tokens, heads], written: natural logarithm of each query's sum of exponentials, for the backward pass. */
  readonly logSumExp: BufferSlice;
  /** For tests and measurements; default: {@link planAttention}. */
  readonly plan?: AttentionPlan;
}

/** What one invocation holds of a wider head would fill the registers many times over. */
const maximumHeadDim = 256;
function checkShape(name: string, { tokens, heads, keyValueHeads, headDim }: AttentionShape): void {
  requireSizes(name, { tokens, heads, keyValueHeads, headDim });
  if (heads % keyValueHeads !== 0) {
    throw new InputError(`${name}: ${heads} heads are no multiple of ${keyValueHeads} key/value heads`);
  }
  if (headDim > maximumHeadDim) throw new InputError(`${name}: headDim is ${headDim}, at most ${maximumHeadDim} fits`);
}

const isMatrix = (tile: AttentionTile): tile is MatrixBlockTile => 'unitM' in tile;
const isBlock = (tile: AttentionTile): tile is BlockTile => 'members' in tile && !isMatrix(tile);

/**
 * out_i = Σ_j softmax_j(scale · q_i·k_j) v_j over the tokens j ≤ i of i's own sequence, with an online softmax (Dao et
 * al., "FlashAttention", 2022).
 *
 * @throws InputError for heads that do not group, a headDim above 256, and slices smaller than their shape or larger
 * than one binding.
 */
export function attention(device: Device, args: AttentionArguments): void {
  const { query, key, value, offsets, sequenceOfToken, out, logSumExp, tokens, heads, keyValueHeads, headDim } = args;
  checkShape('attention', args);
  requireElements('attention', 'query', query, tokens * heads * headDim);
  requireElements('attention', 'key', key, tokens * keyValueHeads * headDim);
  requireElements('attention', 'value', value, tokens * keyValueHeads * headDim);
  requireElements('attention', 'offsets', offsets, 2);
  requireElements('attention', 'sequenceOfToken', sequenceOfToken, tokens);
  requireElements('attention', 'out', out, tokens * heads * headDim);
  requireElements('attention', 'logSumExp', logSumExp, tokens * heads);
  const plan = args.plan ?? planAttention(args, device.capabilities);
  const bindings = { query, key, value, offsets, sequenceOfToken, out, logSumExp };
  const tile = plan.forward;
  if (isMatrix(tile)) {
    device.recorder.dispatch(forwardMatrixKernel, { bindings, ...matrixArguments(tile, args, 'forward') });
  } else if (isBlock(tile)) {
    device.recorder.dispatch(forwardBlockKernel, { bindings, ...blockArguments(tile, args, 'query') });
  } else device.recorder.dispatch(forwardKernel, { bindings, ...rowArguments(tile, args, 'query') });
}

/** Arguments of {@link attentionCached}. */
export interface AttentionCachedArguments extends Omit<AttentionArguments, 'logSumExp' | 'precision'> {
  /** Keys of the earlier tokens, f32 [at least cacheLength, keyValueHeads · headDim]. */
  readonly cachedKey: BufferSlice;
  /** Values of the earlier tokens, shaped as their keys. */
  readonly cachedValue: BufferSlice;
  /** Earlier tokens that every sequence of the batch goes on from, at least 1. */
  readonly cacheLength: number;
  /** Positions that a token sees, its own included; all when undefined. */
  readonly window?: number | undefined;
  /** For tests and measurements; default: {@link planDecode}, unless `plan` is given. */
  readonly decode?: DecodePlan | null;
}

/**
 * {@link attention} of sequences that all go on from the same earlier tokens, whose keys and values are kept: a shared
 * prefix, or what was generated so far. Has no backward pass, and multiplies in f32.
 *
 * @throws InputError as {@link attention} does, for an empty cache, and for a plan by matrix units.
 */
export function attentionCached(device: Device, args: AttentionCachedArguments): void {
  const { query, key, value, cachedKey, cachedValue, offsets, sequenceOfToken, out } = args;
  const { tokens, heads, keyValueHeads, headDim, cacheLength, window } = args;
  const name = 'attentionCached';
  checkShape(name, args);
  requireSizes(name, { cacheLength, ...(window !== undefined && { window }) });
  for (const [label, slice] of Object.entries({ query, out })) {
    requireElements(name, label, slice, tokens * heads * headDim);
  }
  for (const [label, slice] of Object.entries({ key, value })) {
    requireElements(name, label, slice, tokens * keyValueHeads * headDim);
  }
  for (const [label, slice] of Object.entries({ cachedKey, cachedValue })) {
    requireElements(name, label, slice, cacheLength * keyValueHeads * headDim);
  }
  requireElements(name, 'offsets', offsets, 2);
  requireElements(name, 'sequenceOfToken', sequenceOfToken, tokens);
  const bindings = { query, key, value, cachedKey, cachedValue, offsets, sequenceOfToken, out };
  const cache = { cacheLength, window: window ?? 0xffffffff };
  const decode = args.decode === undefined && !args.plan ? planDecode(args, device.capabilities) : args.decode;
  if (decode) {
    const { parameters, constants } = rowArguments({ ...decode, rows: 1, step: 1 }, args, 'query');
    device.recorder.dispatch(decodeKernel, {
      bindings,
      parameters: { ...parameters, ...cache },
      constants: { ...constants, HALF: decode.workgroupSize / 2, SHARED_QUERY: decode.sharedQuery },
      workgroups: tokens * heads,
    });
    return;
  }
  const { forward } = args.plan ?? planAttention({ ...args, precision: 'f32' }, device.capabilities);
  if (isMatrix(forward)) throw new InputError(`${name} has no kernel by matrix units: plan it for f32`);
  if (isBlock(forward)) {
    const { parameters, ...rest } = blockArguments(forward, args, 'query');
    device.recorder.dispatch(cachedBlockKernel, { bindings, parameters: { ...parameters, ...cache }, ...rest });
    return;
  }
  // One token at a time leaves most rows of a block empty.
  const tile = { ...forward, rows: Math.min(forward.rows, Math.ceil(tokens / forward.workgroupSize)) };
  const { parameters, constants, workgroups } = rowArguments(tile, args, 'query');
  device.recorder.dispatch(cachedKernel, {
    bindings,
    parameters: { ...parameters, ...cache },
    // A window leaves no own keys that all tokens of a block see for certain.
    constants: window === undefined ? constants : { ...constants, MASKED_ONLY: true },
    workgroups,
  });
}

/** Arguments of {@link attentionBackward}. */
export interface AttentionBackwardArguments extends AttentionShape {
  /** Input of the forward pass, f32 [tokens, heads · headDim]. */
  readonly query: BufferSlice;
  /** Input of the forward pass, f32 [tokens, keyValueHeads · headDim]. */
  readonly key: BufferSlice;
  /** Input of the forward pass, f32 [tokens, keyValueHeads · headDim]. */
  readonly value: BufferSlice;
  /** Result of the forward pass, f32 [tokens, heads · headDim]. */
  readonly out: BufferSlice;
  /** Result of the forward pass, f32 [tokens, heads]. */
  readonly logSumExp: BufferSlice;
  /** u32 [sequences + 1], as in the forward pass. */
  readonly offsets: BufferSlice;
  /** u32 [tokens], as in the forward pass. */
  readonly sequenceOfToken: BufferSlice;
  /** Gradient with respect to out, f32 [tokens, heads · headDim]. */
  readonly gradOut: BufferSlice;
  /** Gradient with respect to query, f32 [tokens, heads · headDim], written. */
  readonly gradQuery: BufferSlice;
  /** Gradient with respect to key, f32 [tokens, keyValueHeads · headDim], written. */
  readonly gradKey: BufferSlice;
  /** Gradient with respect to value, f32 [tokens, keyValueHeads · headDim], written. */
  readonly gradValue: BufferSlice;
  /** For tests and measurements; default: {@link planAttention}. */
  readonly plan?: AttentionPlan;
}

/**
 * Gradients of {@link attention}. Probabilities are computed again from logSumExp; every sum has a fixed order, so the
 * result is repeatable. Workspace: 8 bytes per token and head, and 8 per token; where a hardware plan divides the query
 * heads of a group, also gradients of keys and values once for each part.
 *
 * @throws InputError as {@link attention} does.
 */
export function attentionBackward(device: Device, args: AttentionBackwardArguments): void {
  const { query, key, value, out, logSumExp, gradOut, offsets, sequenceOfToken, gradQuery, gradKey, gradValue } = args;
  const { tokens, heads, keyValueHeads, headDim } = args;
  checkShape('attentionBackward', args);
  for (const [name, slice] of Object.entries({ query, out, gradOut, gradQuery })) {
    requireElements('attentionBackward', name, slice, tokens * heads * headDim);
  }
  for (const [name, slice] of Object.entries({ key, value, gradKey, gradValue })) {
    requireElements('attentionBackward', name, slice, tokens * keyValueHeads * headDim);
  }
  requireElements('attentionBackward', 'logSumExp', logSumExp, tokens * heads);
  requireElements('attentionBackward', 'offsets', offsets, 2);
  requireElements('attentionBackward', 'sequenceOfToken', sequenceOfToken, tokens);
  const plan = args.plan ?? planAttention(args, device.capabilities);
  const vector = headDim % 4 === 0;
  const statistics = device.memory.allocate(8 * tokens * heads);
  const bounds = device.memory.allocate(8 * tokens);
  const { workgroupSize, workgroups } = planInvocations({ invocations: tokens * heads }, device.capabilities);
  device.recorder.dispatch(deltaKernel, {
    bindings: { gradOut, out, logSumExp, offsets, sequenceOfToken, statistics, bounds },
    parameters: { tokens, heads, width: vector ? headDim / 4 : headDim },
    constants: { VECTOR: vector, WORKGROUP_SIZE: workgroupSize },
    workgroups,
  });
  const inputs = { query, key, value, gradOut, statistics, bounds };
  const queryTile = plan.backwardQuery;
  const queryBindings = { ...inputs, gradQuery };
  if (isMatrix(queryTile)) {
    const rest = matrixArguments(queryTile, args, 'backwardQuery');
    device.recorder.dispatch(queryMatrixKernel, { bindings: queryBindings, ...rest });
  } else if (isBlock(queryTile)) {
    const rest = blockArguments(queryTile, args, 'query');
    device.recorder.dispatch(queryBlockKernel, { bindings: queryBindings, ...rest });
  } else {
    device.recorder.dispatch(queryKernel, { bindings: queryBindings, ...rowArguments(queryTile, args, 'query') });
  }
  const keyTile = plan.backwardKey;
  if (isMatrix(keyTile) || isBlock(keyTile)) backwardKeyBlocks(device, keyTile, args, inputs);
  else {
    const bindings = { ...inputs, gradKey, gradValue };
    device.recorder.dispatch(keyKernel, { bindings, ...rowArguments(keyTile, args, 'key') });
  }
  device.memory.releaseEarly(statistics);
  device.memory.releaseEarly(bounds);
}

/** Gradients with respect to keys and values by blocks, in parts of the query heads that are summed in order. */
function backwardKeyBlocks(
  device: Device,
  tile: BlockTile | MatrixBlockTile,
  args: AttentionBackwardArguments,
  inputs: Readonly<Record<'query' | 'key' | 'value' | 'gradOut' | 'statistics' | 'bounds', BufferSlice>>,
): void {
  const { tokens, heads, keyValueHeads, headDim, gradKey, gradValue } = args;
  const elements = tokens * keyValueHeads * headDim;
  // No more than the query heads that read one key/value head: they fit a binding as the queries do.
  const parts = Math.ceil(heads / keyValueHeads / tile.members);
  const [keyParts, valueParts] =
    parts === 1 ? [gradKey, gradValue] : [0, 1].map(() => device.memory.allocate(4 * parts * elements));
  const bindings = { ...inputs, gradKey: keyParts!, gradValue: valueParts! };
  const { members } = tile;
  if (isMatrix(tile)) {
    const { parameters, constants, workgroups } = matrixArguments(tile, args, 'backwardKey');
    const rest = { parameters: { ...parameters, members }, constants, workgroups: workgroups * parts };
    device.recorder.dispatch(keyMatrixKernel, { bindings, ...rest });
  } else {
    const { parameters, constants, workgroups } = blockArguments(tile, args, 'key');
    const rest = { parameters: { ...parameters, members }, constants, workgroups: workgroups * parts };
    device.recorder.dispatch(keyBlockKernel, { bindings, ...rest });
  }
  if (parts === 1) return;
  const vector = headDim % 4 === 0;
  const count = vector ? elements / 4 : elements;
  const spread = planInvocations({ invocations: count }, device.capabilities);
  device.recorder.dispatch(sumPartsKernel, {
    bindings: { keyParts: keyParts!, valueParts: valueParts!, gradKey, gradValue },
    parameters: { count, parts },
    constants: { VECTOR: vector, WORKGROUP_SIZE: spread.workgroupSize },
    workgroups: spread.workgroups,
  });
  device.memory.releaseEarly(keyParts!);
  device.memory.releaseEarly(valueParts!);
}
