// Rows of a table by index, and the deterministic sum of their gradients.
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { buildSegments, gather, rowDot as rowDotKernel, scaleRows, segmentSum } from '@crossgate/kernels';
import { type LinearWeight, weightOperand } from '../quantized';
import { activeTape, type Backward, record } from '../tape';
import { empty, expectTensor, fromHost, Tensor } from '../tensor';

/** The kernels' form of "which positions hold which row". A segment whose target is {@link noRow} is dropped. */
export interface SegmentTensors {
  readonly offsets: Tensor;
  readonly positions: Tensor;
  readonly targets: Tensor;
  readonly segments: number;
}

/** Sorts indices into segments of equal value and uploads them. Negative indices are skipped. */
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

/** Row numbers that lie on the device, and the order in which gradients of equal ones are summed. */
export interface DeviceIndices {
  /** u32 [n]: values in 0 … tableRows − 1, or {@link noRow}. Not checked: others read as {@link noRow}. */
  readonly indices: Tensor;
  /** Null where no gradient will flow. */
  readonly segments: SegmentTensors | null;
}

/** Row numbers: on the host, or ready on the device. */
export type Indices = Uint32Array | DeviceIndices;

/** How many there are. */
export function indexCount(indices: Indices): number {
  return indices instanceof Uint32Array ? indices.length : indices.indices.size;
}

/** Index in {@link embedding} that gives a zero row and takes no gradient. */
export const noRow = 0xffffffff;

/**
 * out[i] = table[indices[i]].
 *
 * @param table [tableRows, columns], also frozen in fewer bits; @param indices [n] values in 0 … tableRows − 1, or {@link noRow}.
 * @returns [n, columns].
 * @throws InputError naming the first index on the host that is out of range.
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
  if (activeTape() && table instanceof Tensor && table.requiresGrad) {
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

/** out[r] = Σ_c a[r, c] · b[r, c]. a, b [rows, columns]; out [rows]. */
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
