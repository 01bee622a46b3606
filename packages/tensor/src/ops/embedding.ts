// Rows of a table by index, and the deterministic sum of their gradients.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { buildSegments, gather, rowDot as rowDotKernel, scaleRows, segmentSum } from '@crossgate/kernels';
import { type LinearWeight, weightOperand } from '../quantized';
import type { Upload } from '../step-inputs';
import { type Backward, record, willRecord } from '../tape';
import { empty, expectTensor, fromHost, Tensor } from '../tensor';

/**
 * Positions grouped by the row they name, so that the gradients of each table row are summed in a fixed order. Segment
 * s holds positions[offsets[s]] … positions[offsets[s + 1] − 1], all of which name the row targets[s].
 */
export interface SegmentTensors {
  /** u32 [segments + 1]: where each segment begins in `positions`, and the end of the last. */
  readonly offsets: Tensor;
  /** u32 [n]: positions in the list of indices, segment after segment. */
  readonly positions: Tensor;
  /** u32 [segments]: the table row of each segment. A segment whose row is {@link noRow} is dropped. */
  readonly targets: Tensor;
  /** Number of segments. */
  readonly segments: number;
}

/**
 * Groups indices of equal value into segments, in ascending order of their value, and uploads them as step tensors.
 * Negative indices and {@link noRow} are left out.
 *
 * @param indices [n] row numbers.
 * @throws InputError outside a step; OutOfMemoryError with the sizes.
 */
export function uploadSegments(device: Device, indices: Int32Array | Uint32Array): SegmentTensors {
  const { offsets, positions, targets } = buildSegments(indices, true);
  // WebGPU has no empty buffers; a segment count of 0 keeps the kernels from reading the filler.
  const upload = (values: Uint32Array) =>
    fromHost(device, [Math.max(1, values.length)], values.length ? values : new Uint32Array(1));
  return {
    offsets: upload(offsets),
    positions: upload(positions),
    targets: upload(targets),
    segments: targets.length,
  };
}

/** Row numbers on the device, with the order in which gradients of equal row numbers are summed. */
export interface DeviceIndices {
  /** u32 [n]: values in 0 … tableRows − 1, or {@link noRow}. They are not checked: others act as {@link noRow}. */
  readonly indices: Tensor;
  /** The same indices as segments; null where no gradient will flow to the table. */
  readonly segments: SegmentTensors | null;
}

/** Row numbers for {@link embedding}: on the host, or on the device already. */
export type Indices = Uint32Array | DeviceIndices;

/** Number of row numbers. */
export function indexCount(indices: Indices): number {
  return indices instanceof Uint32Array ? indices.length : indices.indices.size;
}

/** The index for which {@link embedding} gives a row of zeros that no gradient flows through. */
export const noRow = 0xffffffff;

/**
 * Row numbers with their segments for a captured step: their upload has the same shapes whichever rows they name. Equal
 * ones are summed in the order in which {@link uploadSegments} has them.
 *
 * @param indices [n] row numbers; negative ones and {@link noRow} are left out of the segments.
 * @param rows most different rows that they may name. Default n.
 */
export function uploadIndices(
  upload: Upload,
  indices: Uint32Array | Int32Array,
  rows: number = indices.length,
): DeviceIndices {
  const { length } = indices;
  const { offsets, positions, targets } = buildSegments(indices, true);
  const segments = Math.min(rows, length);
  const padded = (values: Uint32Array, size: number, filler: number) => {
    const all = new Uint32Array(size).fill(filler);
    all.set(values);
    return upload([size], all);
  };
  return {
    indices: upload([length], indices),
    segments: {
      // Segments beyond the rows that are named are empty and have no target.
      offsets: padded(offsets, segments + 1, offsets.at(-1)!),
      positions: padded(positions, length, 0),
      targets: padded(targets, segments, noRow),
      segments,
    },
  };
}

/**
 * Rows of a table by number: out[i] = table[indices[i]]. Gradients of equal indices are summed in a fixed order, so the
 * same input gives the same bits.
 *
 * @param table f32 [tableRows, columns], or frozen in fewer bits.
 * @param indices [n] values in 0 … tableRows − 1, or {@link noRow}.
 * @returns f32 [n, columns].
 * @throws InputError for another dtype or shape, for an index on the host that is out of range, and for indices on the
 * device without segments where a gradient flows to the table.
 */
export function embedding(table: LinearWeight, indices: Indices): Tensor {
  expectTensor('embedding', 'table', table, 'f32', [-1, -1]);
  const { device } = table;
  const [tableRows = 0, columns = 0] = table.shape;
  if (indices instanceof Uint32Array) checkIndices(indices, tableRows);
  else checkDeviceIndices(indices);
  const rows = indexCount(indices);
  const out = empty(device, [rows, columns]);
  gather(device, {
    table: weightOperand(table),
    indices: (indices instanceof Uint32Array ? fromHost(device, [rows], indices) : indices.indices).slice,
    out: out.slice,
    rows,
    columns,
    tableRows,
  });
  if (table instanceof Tensor && willRecord([table])) {
    const segments = indices instanceof Uint32Array ? uploadSegments(device, indices) : indices.segments;
    if (segments === null)
      throw new InputError('embedding: a gradient flows to the table, but its indices have no segments');
    const { offsets, positions, targets } = segments;
    const exact = [offsets, positions, targets];
    const backward: Backward = ([gradient], into) => {
      const { slice, accumulate } = into.target(table);
      // Rows that no index names keep what is there, so memory that is not accumulated into starts at zero.
      if (!accumulate) device.recorder.clear(slice);
      segmentSum(device, {
        values: gradient!.slice,
        segmentOffsets: offsets.slice,
        segmentPositions: positions.slice,
        targets: targets.slice,
        out: slice,
        segments: segments.segments,
        columns,
        accumulate,
      });
    };
    record('embedding', [table], [out], [], backward, { exact });
  }
  return out;
}

function checkDeviceIndices({ indices, segments }: DeviceIndices): void {
  expectTensor('embedding', 'indices', indices, 'u32');
  if (!segments) return;
  expectTensor('embedding', 'segments.offsets', segments.offsets, 'u32');
  expectTensor('embedding', 'segments.positions', segments.positions, 'u32');
  expectTensor('embedding', 'segments.targets', segments.targets, 'u32');
}

function checkIndices(indices: Uint32Array, tableRows: number): void {
  const wrong = indices.findIndex((index) => index >= tableRows && index !== noRow);
  if (wrong < 0) return;
  throw new InputError(`embedding: index ${indices[wrong]} at position ${wrong}, the table has ${tableRows} rows`);
}

/**
 * The dot product of every row of `a` with the same row of `b`: out[r] = Σ_c a[r, c] · b[r, c].
 *
 * @param a f32 [rows, columns]; @param b f32 of the same shape.
 * @returns f32 [rows].
 * @throws InputError for another dtype or shape.
 */
export function rowDot(a: Tensor, b: Tensor): Tensor {
  const { device, rows, columns } = a;
  expectTensor('rowDot', 'a', a, 'f32');
  expectTensor('rowDot', 'b', b, 'f32', a.shape);
  const out = empty(device, [rows]);
  rowDotKernel(device, { a: a.slice, b: b.slice, out: out.slice, rows, columns });
  record('rowDot', [a, b], [out], [a, b], ([gradient], into) => {
    for (const [input, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!into.needs(input)) continue;
      const { slice, accumulate } = into.target(input);
      const x = into.saved(other).slice;
      scaleRows(device, { x, scale: gradient!.slice, out: slice, rows, columns, accumulate });
    }
  });
  return out;
}
