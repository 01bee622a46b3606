/** Causal attention over packed sequences with grouped heads, forward and backward, without a tokens² matrix. */
import { type BufferSlice, type Device, defineKernel, InputError } from '@crossgate/gpu';
import { includes as shared } from '../include';
import { planInvocations } from '../plan';
import { requireElements, requireSizes } from '../slices';
import source from './attention.wgsl';
import keySource from './attention-backward-key.wgsl';
import querySource from './attention-backward-query.wgsl';
import common from './attention-common.wgsl';
import decodeSource from './attention-decode.wgsl';
import deltaSource from './attention-delta.wgsl';
import {
  type AttentionPlan,
  type AttentionShape,
  type AttentionTile,
  type DecodePlan,
  planAttention,
  planDecode,
} from './plan';

export {
  type AttentionPlan,
  type AttentionShape,
  type AttentionTile,
  type DecodePlan,
  planAttention,
  planDecode,
} from './plan';

const includes = { ...shared, 'attention-common': common };
/** Which pass a text is rendered for: one of them is true, CACHED beside FORWARD. */
const passes = { CACHED: false, FORWARD: false, BACKWARD_QUERY: false, BACKWARD_KEY: false };
/** Defaults of what {@link tileArguments} chooses. */
const tileConstants = {
  VECTOR: false,
  HEAD_DIM: 4,
  VECTORS: 1,
  WORKGROUP_SIZE: 64,
  QUERIES: 1,
  KEYS: 1,
  BLOCK: 64,
  MASKED_ONLY: false,
};
const parameters = {
  tokens: 'u32',
  heads: 'u32',
  keyValueHeads: 'u32',
  group: 'u32',
  scale: 'f32',
} as const;

const forwardKernel = defineKernel({
  name: 'attention',
  source,
  includes,
  constants: { ...passes, ...tileConstants, FORWARD: true },
  bindings: {
    query: { access: 'read', type: 'Value' },
    key: { access: 'read', type: 'Value' },
    value: { access: 'read', type: 'Value' },
    offsets: { access: 'read', type: 'u32' },
    sequenceOfToken: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'Value' },
    logSumExp: { access: 'read_write', type: 'f32' },
  },
  parameters,
});

/** What attention to a cache binds and is told, by blocks of tokens or one token at a time. */
const cachedInterface = {
  bindings: {
    query: { access: 'read', type: 'Value' },
    key: { access: 'read', type: 'Value' },
    value: { access: 'read', type: 'Value' },
    cachedKey: { access: 'read', type: 'Value' },
    cachedValue: { access: 'read', type: 'Value' },
    offsets: { access: 'read', type: 'u32' },
    sequenceOfToken: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: { ...parameters, cacheLength: 'u32', window: 'u32' },
} as const;

const cachedKernel = defineKernel({
  name: 'attention-cached',
  source,
  includes,
  constants: { ...passes, ...tileConstants, FORWARD: true, CACHED: true },
  ...cachedInterface,
});

const decodeKernel = defineKernel({
  name: 'attention-decode',
  source: decodeSource,
  includes,
  constants: { ...passes, ...tileConstants, FORWARD: true, CACHED: true, HALF: 32, SHARED_QUERY: false },
  ...cachedInterface,
});

const deltaKernel = defineKernel({
  name: 'attention-delta',
  source: deltaSource,
  includes,
  constants: { VECTOR: false, WORKGROUP_SIZE: 64 },
  bindings: {
    gradOut: { access: 'read', type: 'Value' },
    out: { access: 'read', type: 'Value' },
    logSumExp: { access: 'read', type: 'f32' },
    offsets: { access: 'read', type: 'u32' },
    sequenceOfToken: { access: 'read', type: 'u32' },
    statistics: { access: 'read_write', type: 'vec2<f32>' },
    bounds: { access: 'read_write', type: 'vec2<u32>' },
  },
  parameters: { tokens: 'u32', heads: 'u32', width: 'u32' },
});

const backwardInputs = {
  query: { access: 'read', type: 'Value' },
  key: { access: 'read', type: 'Value' },
  value: { access: 'read', type: 'Value' },
  gradOut: { access: 'read', type: 'Value' },
  statistics: { access: 'read', type: 'vec2<f32>' },
  bounds: { access: 'read', type: 'vec2<u32>' },
} as const;

const queryKernel = defineKernel({
  name: 'attention-backward-query',
  source: querySource,
  includes,
  constants: { ...passes, ...tileConstants, BACKWARD_QUERY: true },
  bindings: { ...backwardInputs, gradQuery: { access: 'read_write', type: 'Value' } },
  parameters,
});

const keyKernel = defineKernel({
  name: 'attention-backward-key',
  source: keySource,
  includes,
  constants: { ...passes, ...tileConstants, BACKWARD_KEY: true },
  bindings: {
    ...backwardInputs,
    gradKey: { access: 'read_write', type: 'Value' },
    gradValue: { access: 'read_write', type: 'Value' },
  },
  parameters,
});

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
/**
 * Above this, kernels have one loop over all keys instead of one with and one without a mask: half the text to compile.
 */
const longestSplitHead = 32;

function checkShape(name: string, { tokens, heads, keyValueHeads, headDim }: AttentionShape): void {
  requireSizes(name, { tokens, heads, keyValueHeads, headDim });
  if (heads % keyValueHeads !== 0) {
    throw new InputError(`${name}: ${heads} heads are no multiple of ${keyValueHeads} key/value heads`);
  }
  if (headDim > maximumHeadDim) throw new InputError(`${name}: headDim is ${headDim}, at most ${maximumHeadDim} fits`);
}

function tileArguments(tile: AttentionTile, shape: AttentionShape, side: 'query' | 'key') {
  const { tokens, heads, keyValueHeads, headDim, scale } = shape;
  const block = tile.workgroupSize * tile.rows;
  return {
    parameters: { tokens, heads, keyValueHeads, group: heads / keyValueHeads, scale },
    constants: {
      VECTOR: headDim % 4 === 0,
      HEAD_DIM: headDim,
      VECTORS: Math.ceil(headDim / 4),
      WORKGROUP_SIZE: tile.workgroupSize,
      QUERIES: side === 'query' ? tile.rows : tile.step,
      KEYS: side === 'query' ? tile.step : tile.rows,
      BLOCK: block,
      MASKED_ONLY: headDim > longestSplitHead,
    },
    workgroups: Math.ceil(tokens / block) * (side === 'query' ? heads : keyValueHeads),
  };
}

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
  device.recorder.dispatch(forwardKernel, {
    bindings: { query, key, value, offsets, sequenceOfToken, out, logSumExp },
    ...tileArguments(plan.forward, args, 'query'),
  });
}

/** Arguments of {@link attentionCached}. */
export interface AttentionCachedArguments extends Omit<AttentionArguments, 'logSumExp'> {
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
 * prefix, or what was generated so far. Has no backward pass.
 *
 * @throws InputError as {@link attention} does, and for an empty cache.
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
  const decode = args.decode === undefined && !args.plan ? planDecode(args, device.capabilities) : args.decode;
  if (decode) {
    const { parameters, constants } = tileArguments({ ...decode, rows: 1, step: 1 }, args, 'query');
    device.recorder.dispatch(decodeKernel, {
      bindings,
      parameters: { ...parameters, cacheLength, window: window ?? 0xffffffff },
      constants: { ...constants, HALF: decode.workgroupSize / 2, SHARED_QUERY: decode.sharedQuery },
      workgroups: tokens * heads,
    });
    return;
  }
  const { forward } = args.plan ?? planAttention(args, device.capabilities);
  // One token at a time leaves most rows of a block empty.
  const tile = { ...forward, rows: Math.min(forward.rows, Math.ceil(tokens / forward.workgroupSize)) };
  const { parameters, constants, workgroups } = tileArguments(tile, args, 'query');
  device.recorder.dispatch(cachedKernel, {
    bindings,
    parameters: { ...parameters, cacheLength, window: window ?? 0xffffffff },
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
 * result is repeatable. Workspace: 8 bytes per token and head, and 8 per token.
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
  device.recorder.dispatch(queryKernel, {
    bindings: { ...inputs, gradQuery },
    ...tileArguments(plan.backwardQuery, args, 'query'),
  });
  device.recorder.dispatch(keyKernel, {
    bindings: { ...inputs, gradKey, gradValue },
    ...tileArguments(plan.backwardKey, args, 'key'),
  });
  device.memory.releaseEarly(statistics);
  device.memory.releaseEarly(bounds);
}
