/** Train rows in device memory, and the batches of an epoch, which are made there: order, negatives, segments. */
import { type Collective, type Share, shareOf } from '@crossgate/collective';
import type { BufferSlice, Device } from '@crossgate/gpu';
import {
  type BatchLayout,
  batchStride,
  gather,
  sampleNegatives,
  shuffle,
  shuffledRow,
  shuffleRounds,
  sortedSegments,
} from '@crossgate/kernels';
import { allOrNothing, type DeviceIndices, RandomStream, Tensor } from '@crossgate/tensor';
import { type KnownPositives, negativePool } from './negative-pool';

/** Number of elements of each array that are made at once: megabytes, whatever the number of rows. */
const windowElements = 2 ** 18;

/** How batches are made. */
export interface DeviceBatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Whether gradients flow to the rows that the users' ids name. Those of SASRec's users flow to their histories. */
  readonly userGradients: boolean;
  /** Items that negatives are drawn from, and the pairs that are none; null when the loss needs no negatives. */
  readonly negatives: { readonly itemSeen: Uint8Array; readonly known: KnownPositives } | null;
  /** The ranks that share each batch. Default: this one takes it all. */
  readonly ranks?: Pick<Collective, 'rank' | 'size'>;
}

/** One batch, or this rank's share of it, on the device. Valid until the next one is asked for. */
export interface DeviceBatch {
  /** Rows of this rank; 0 where a short batch has fewer than there are ranks. */
  readonly rows: number;
  /** Position of its first row in the epoch's order. */
  readonly first: number;
  /** The batch of all ranks: position of its first row, and rows. */
  readonly whole: { readonly first: number; readonly rows: number };
  readonly users: DeviceIndices;
  readonly items: DeviceIndices;
  /** f32 [rows] */
  readonly labels: Tensor;
  readonly negatives: DeviceIndices | null;
}

/** Row numbers of a window of batches [batches, stride], sorted for the gradients if there are any. */
interface WindowIndices {
  readonly ids: BufferSlice;
  readonly sorted: {
    readonly positions: BufferSlice;
    readonly offsets: BufferSlice;
    readonly targets: BufferSlice;
  } | null;
}

/** Keys of an epoch's order. They depend on the seed and the epoch alone. */
function orderKeys(seed: number, epoch: number): number[] {
  const random = new RandomStream(seed, `cf.order.${epoch}`);
  return Array.from({ length: shuffleRounds }, () => random.integer());
}

/**
 * The order in which `CfTrainer` takes its rows in an epoch, computed on the host.
 *
 * @param rows number of rows.
 * @param seed of the training.
 * @param epoch from 0.
 * @param first position of the first row wanted; default 0.
 * @param count number of rows wanted; default all from `first` on.
 * @returns [count] row numbers from 0.
 */
export function epochOrder(rows: number, seed: number, epoch: number, first = 0, count = rows - first): Int32Array {
  const keys = orderKeys(seed, epoch);
  return Int32Array.from({ length: count }, (_, i) => shuffledRow(first + i, rows, keys));
}

/**
 * Interactions in device memory. The order of an epoch is a permutation that is computed, not stored. Batches are made
 * a window at a time by a few dispatches; the host reads and writes nothing meanwhile.
 */
export class DeviceBatches {
  /** Rows of a batch, all ranks together. */
  readonly #batchSize: number;
  readonly #layout: BatchLayout;
  readonly #columns: { readonly user: BufferSlice; readonly item: BufferSlice; readonly label: BufferSlice };
  readonly #order: BufferSlice;
  readonly #labels: BufferSlice;
  readonly #users: WindowIndices;
  readonly #items: WindowIndices;
  readonly #negatives: (WindowIndices & NegativeTables) | null;
  readonly #slices: readonly BufferSlice[];

  /**
   * @param columns dense ids and labels of the rows to learn from; at least one.
   * @throws OutOfMemoryError, with nothing left allocated.
   */
  constructor(
    readonly device: Device,
    columns: { readonly user: Uint32Array; readonly item: Uint32Array; readonly label: Float32Array },
    readonly options: DeviceBatchOptions,
  ) {
    const rows = columns.user.length;
    this.#batchSize = Math.min(options.batchSize, rows);
    const { size } = this.#ranks;
    const batchSize = Math.ceil(this.#batchSize / size);
    const stride = batchStride(device, batchSize);
    const { maxStorageBufferBindingSize } = device.capabilities.limits;
    const most = Math.floor(Math.min(windowElements, maxStorageBufferBindingSize / 4) / stride);
    // Shares do not follow each other in the order, so each is made by itself.
    const batches = size > 1 ? 1 : Math.max(1, Math.min(Math.ceil(rows / batchSize), most));
    this.#layout = { batches, batchSize, stride };
    const slices: BufferSlice[] = [];
    const parts = allOrNothing(device, (persistent) => {
      const allocate = (elements: number) => {
        const slice = persistent(4 * elements, 'interactions');
        slices.push(slice);
        return slice;
      };
      const upload = (values: Uint32Array | Float32Array) => {
        const slice = allocate(Math.max(1, values.length));
        device.recorder.write(slice, values);
        return slice;
      };
      const windowed = () => allocate(batches * stride);
      const indices = (gradients: boolean): WindowIndices => ({
        ids: windowed(),
        sorted: gradients ? { positions: windowed(), offsets: windowed(), targets: windowed() } : null,
      });
      return {
        columns: { user: upload(columns.user), item: upload(columns.item), label: upload(columns.label) },
        order: windowed(),
        labels: windowed(),
        users: indices(options.userGradients),
        items: indices(true),
        negatives: options.negatives && { ...indices(true), ...negativeTables(options.negatives, upload) },
      };
    });
    this.rows = rows;
    this.#columns = parts.columns;
    this.#order = parts.order;
    this.#labels = parts.labels;
    this.#users = parts.users;
    this.#items = parts.items;
    this.#negatives = parts.negatives;
    this.#slices = slices;
  }

  readonly rows: number;

  /** Number of batches in an epoch. */
  get length(): number {
    return Math.ceil(this.rows / this.#batchSize);
  }

  get #ranks(): Pick<Collective, 'rank' | 'size'> {
    return this.options.ranks ?? { rank: 0, size: 1 };
  }

  /** The batches of an epoch (from 0), in order. Records work and waits for nothing. */
  *epoch(epoch: number): Generator<DeviceBatch, void, undefined> {
    const { batches } = this.#layout;
    const size = this.#batchSize;
    const whole = (batch: number) => ({ first: batch * size, rows: Math.min(size, this.rows - batch * size) });
    for (let window = 0; window < this.length; window += batches) {
      const count = Math.min(batches, this.length - window);
      if (this.#ranks.size === 1) {
        this.#prepare(epoch, window * size, Math.min(batches * size, this.rows - window * size), count, size);
        for (let batch = 0; batch < count; batch++) {
          const all = whole(window + batch);
          yield this.#batch(all, { start: 0, end: all.rows }, batch);
        }
        continue;
      }
      const all = whole(window);
      const share = shareOf(all.rows, this.#ranks);
      const rows = share.end - share.start;
      if (rows > 0) this.#prepare(epoch, all.first + share.start, rows, 1, rows);
      yield this.#batch(all, share, 0);
    }
  }

  /** Frees the memory. */
  release(): void {
    for (const slice of this.#slices) this.device.memory.free(slice);
  }

  /** Makes a window of batches: `count` rows from position `first` of the order on. */
  #prepare(epoch: number, first: number, count: number, batches: number, batchSize: number): void {
    const { device, rows } = this;
    const { seed } = this.options;
    const layout = { ...this.#layout, batches, batchSize };
    // Sorting takes workspace.
    using _ = device.step();
    shuffle(device, { out: this.#order, first, rows, keys: orderKeys(seed, epoch), ...layout });
    for (const [column, out] of [
      [this.#columns.user, this.#users.ids],
      [this.#columns.item, this.#items.ids],
      [this.#columns.label, this.#labels],
    ] as const) {
      const shape = { rows: batches * layout.stride, columns: 1, tableRows: rows, integers: true };
      gather(device, { table: column, indices: this.#order, out, ...shape });
    }
    const negatives = this.#negatives;
    if (negatives) {
      const { ids, ...tables } = negatives;
      sampleNegatives(device, { ...tables, users: this.#users.ids, out: ids, count, first, epoch, seed, ...layout });
    }
    for (const indices of [this.#users, this.#items, negatives]) {
      if (indices?.sorted) sortedSegments(device, { keys: indices.ids, ...indices.sorted, count, ...layout });
    }
  }

  /** A share of the batch at place `place` of the window. */
  #batch(whole: DeviceBatch['whole'], { start, end }: Share, place: number): DeviceBatch {
    const { stride } = this.#layout;
    const [rows, first] = [end - start, whole.first + start];
    const view = ({ storage, offset }: BufferSlice, count = rows, dtype: 'u32' | 'f32' = 'u32') =>
      new Tensor(this.device, { storage, offset: offset + 4 * place * stride, size: 4 * count }, [count], dtype);
    const indices = ({ ids, sorted }: WindowIndices): DeviceIndices => ({
      indices: view(ids),
      segments: sorted && {
        offsets: view(sorted.offsets, rows + 1),
        positions: view(sorted.positions),
        targets: view(sorted.targets),
        segments: rows,
      },
    });
    return {
      ...{ rows, first, whole, users: indices(this.#users), items: indices(this.#items) },
      labels: view(this.#labels, rows, 'f32'),
      negatives: this.#negatives && indices(this.#negatives),
    };
  }
}

interface NegativeTables {
  readonly candidates: BufferSlice;
  readonly candidateCount: number;
  readonly positiveOffsets: BufferSlice;
  readonly positives: BufferSlice;
}

/** Uploads what negatives are drawn from. */
function negativeTables(
  { itemSeen, known }: NonNullable<DeviceBatchOptions['negatives']>,
  upload: (values: Uint32Array) => BufferSlice,
): NegativeTables {
  const { candidates, offsets, positives } = negativePool(itemSeen, known);
  return {
    candidates: upload(candidates),
    candidateCount: candidates.length,
    positiveOffsets: upload(offsets),
    positives: upload(positives),
  };
}
