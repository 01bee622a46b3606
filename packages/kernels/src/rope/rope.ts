/** Rotary position embedding (half rotation) from a table of cosines and sines. */
import { type BufferSlice, type Device, defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { planInvocations } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './rope.wgsl';

const ropeKernel = defineKernel({
  name: 'rope',
  source,
  includes,
  constants: { VECTOR: false, INVERSE: false, PAIR: false, WORKGROUP_SIZE: 128 },
  bindings: {
    x: { access: 'read', type: 'Value' },
    positions: { access: 'read', type: 'u32' },
    table: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'Value' },
    secondX: { access: 'read', type: 'Value', when: 'PAIR' },
    secondOut: { access: 'read_write', type: 'Value', when: 'PAIR' },
  },
  parameters: { tokens: 'u32', heads: 'u32', secondHeads: 'u32', half: 'u32' },
});

/**
 * Angle per position of each pair of components: theta^(−2i/headDim), i < headDim/2.
 *
 * @throws InputError when headDim is odd.
 */
export function ropeFrequencies(headDim: number, theta: number): Float64Array {
  if (headDim % 2 !== 0 || headDim <= 0) throw new InputError(`rope: headDim is ${headDim}, an even number is needed`);
  return Float64Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
}

/**
 * Cosine and sine of position · frequency, computed in float64: [maxPositions, frequencies, 2]. For scaled rotary
 * embeddings, whose frequencies the model's configuration changes.
 *
 * @param scale what both are multiplied with.
 */
export function ropeTableOf(
  maxPositions: number,
  frequencies: ArrayLike<number>,
  scale = 1,
): Float32Array<ArrayBuffer> {
  const table = new Float32Array(2 * maxPositions * frequencies.length);
  for (let position = 0, at = 0; position < maxPositions; position++) {
    for (let i = 0; i < frequencies.length; i++) {
      const angle = position * frequencies[i]!;
      table[at++] = scale * Math.cos(angle);
      table[at++] = scale * Math.sin(angle);
    }
  }
  return table;
}

/**
 * The table that {@link rope} reads: cosine and sine for positions 0 … maxPositions − 1, [maxPositions, headDim/2, 2].
 *
 * @param theta base of the frequencies, e.g. 10000.
 */
export function ropeTable(maxPositions: number, headDim: number, theta: number): Float32Array<ArrayBuffer> {
  return ropeTableOf(maxPositions, ropeFrequencies(headDim, theta));
}

/** What {@link rope} rotates. */
export interface RotatedHeads {
  /** f32 [tokens, heads · headDim] */
  readonly x: BufferSlice;
  /** f32 [tokens, heads · headDim]; another buffer than x. */
  readonly out: BufferSlice;
  /** Heads of a token, at least 1. */
  readonly heads: number;
}

/** Arguments of {@link rope}. */
export interface RopeArguments extends RotatedHeads {
  /** u32 [tokens], each below the table's number of positions (not checked: they are on the device). */
  readonly positions: BufferSlice;
  /** f32 [maxPositions, headDim/2, 2] of {@link ropeTable}. */
  readonly table: BufferSlice;
  /** Rows of x, at least 1. */
  readonly tokens: number;
  /** Elements of a head, even. */
  readonly headDim: number;
  /** Rotates backwards: the gradient of the forward rotation. */
  readonly inverse?: boolean;
  /** Rotated in the same dispatch: keys beside queries. */
  readonly second?: RotatedHeads | undefined;
}

/**
 * Rotates components (i, i + headDim/2) of every head by positions[t] · frequency_i (Su et al., 2021).
 *
 * @throws InputError when headDim is odd or a slice is smaller than its shape.
 */
export function rope(device: Device, args: RopeArguments): void {
  const { x, positions, table, out, tokens, heads, headDim, inverse = false, second } = args;
  requireSizes('rope', { tokens, heads, headDim, ...(second && { 'second.heads': second.heads }) });
  if (headDim % 2 !== 0) throw new InputError(`rope: headDim is ${headDim}, an even number is needed`);
  const [columns, secondColumns] = [heads * headDim, (second?.heads ?? 0) * headDim];
  requireElements('rope', 'x', x, tokens * columns);
  requireElements('rope', 'positions', positions, tokens);
  requireElements('rope', 'table', table, headDim);
  requireElements('rope', 'out', out, tokens * columns);
  if (second) {
    requireElements('rope', 'second.x', second.x, tokens * secondColumns);
    requireElements('rope', 'second.out', second.out, tokens * secondColumns);
  }
  const vector = headDim % 8 === 0;
  const half = vector ? headDim / 8 : headDim / 2;
  for (const { first, count } of rowRanges('rope', device, tokens, [columns, ...(second ? [secondColumns] : []), 1])) {
    const { workgroupSize, workgroups } = planInvocations({ invocations: count * half }, device.capabilities);
    const rowsOf = (slice: BufferSlice, width: number) => elements(slice, first * width, count * width);
    device.recorder.dispatch(ropeKernel, {
      bindings: {
        x: rowsOf(x, columns),
        positions: elements(positions, first, count),
        table,
        out: rowsOf(out, columns),
        secondX: second && rowsOf(second.x, secondColumns),
        secondOut: second && rowsOf(second.out, secondColumns),
      },
      parameters: { tokens: count, heads, secondHeads: second?.heads ?? 0, half },
      constants: { VECTOR: vector, INVERSE: inverse, PAIR: second !== undefined, WORKGROUP_SIZE: workgroupSize },
      workgroups,
    });
  }
}
