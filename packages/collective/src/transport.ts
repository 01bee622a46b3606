/** How bytes get from rank to rank; and the calls of a `Collective`, made of that. */
import { float16ToFloat32, float32ToFloat16 } from '@crossgate/core';
import type { Collective, Wire } from './collective';
import { partsOf } from './parts';

/** Moves bytes between ranks. It does no arithmetic, so the order of a sum is ours and not the library's. */
export interface Transport {
  readonly rank: number;
  readonly size: number;
  /**
   * Sends a part of `send` to each rank, and receives one from each.
   *
   * @param sendCounts [size] bytes for each rank, which lie behind each other in `send`; `receiveCounts` likewise.
   */
  allToAll(send: Uint8Array, sendCounts: Int32Array, receive: Uint8Array, receiveCounts: Int32Array): Promise<void>;
  /** Receives what every rank sends, in the order of the ranks. @param counts [size] bytes of each rank. */
  allGather(send: Uint8Array, receive: Uint8Array, counts: Int32Array): Promise<void>;
  /** Fills `bytes` with those of rank 0; as long on every rank. */
  broadcast(bytes: Uint8Array): Promise<void>;
  barrier(): Promise<void>;
}

/** Values that are summed at once: 16 MB. Messages stay far below the 2 GB that a count of MPI can say. */
const pieceValues = 2 ** 22;

/**
 * The calls of a `Collective` over a transport. A sum is made in two messages: every rank receives its part of the values
 * from all others and adds them in the order of the ranks, then all ranks receive the parts. Each rank sends and receives
 * 2 · (size − 1) / size of the values, as in a ring, and the order of the sum depends on nothing but their number.
 */
export function collectiveOver(transport: Transport): Collective {
  const { rank, size } = transport;
  const buffers = new ReusedBuffers();
  const reduce = async (values: Float32Array, wire: Wire) => {
    const width = wire === 'f16' ? 2 : 4;
    const bounds = Array.from({ length: size + 1 }, (_, r) => Math.floor((values.length * r) / size));
    const own = bounds[rank + 1]! - bounds[rank]!;
    const sendCounts = Int32Array.from({ length: size }, (_, r) => width * (bounds[r + 1]! - bounds[r]!));
    const receiveCounts = new Int32Array(size).fill(width * own);
    const sent = wire === 'f16' ? buffers.get('sent', 2 * values.length) : bytesOf(values);
    if (wire === 'f16') writeHalves(values, sent);
    const received = buffers.get('received', width * own * size);
    await transport.allToAll(sent, sendCounts, received, receiveCounts);
    const sum = new Float32Array(buffers.get('sum', 4 * own).buffer, 0, own);
    for (let r = 0; r < size; r++) {
      const part = received.subarray(r * width * own, (r + 1) * width * own);
      const own32 = wire === 'f16' ? halvesOf(part) : new Float32Array(part.buffer, part.byteOffset, own);
      if (r === 0) sum.set(own32);
      else for (let i = 0; i < own; i++) sum[i]! += own32[i]!;
    }
    if (wire === 'f32') {
      await transport.allGather(bytesOf(sum), bytesOf(values), sendCounts);
      return;
    }
    const halves = buffers.get('halves', 2 * own);
    writeHalves(sum, halves);
    await transport.allGather(halves, sent, sendCounts);
    values.set(halvesOf(sent));
  };
  const allGather = async (bytes: Uint8Array) => {
    const lengths = new Uint32Array(size);
    await transport.allGather(
      bytesOf(Uint32Array.of(bytes.length)),
      bytesOf(lengths),
      new Int32Array(size).fill(Uint32Array.BYTES_PER_ELEMENT),
    );
    const all = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
    await transport.allGather(bytes, all, Int32Array.from(lengths));
    return partsOf(all, lengths).map((part) => part.slice());
  };
  return {
    rank,
    size,
    async allReduce(values, wire = 'f32') {
      if (size === 1) return;
      for (let begin = 0; begin < values.length; begin += pieceValues) {
        await reduce(values.subarray(begin, begin + pieceValues), wire);
      }
    },
    async broadcast(bytes) {
      if (size === 1) return bytes;
      // In two words: a file may be larger than 4 GB.
      const length = new Float64Array([bytes.length]);
      await transport.broadcast(bytesOf(length));
      const received = rank === 0 ? bytes : new Uint8Array(length[0]!);
      for (let begin = 0; begin < received.length; begin += 4 * pieceValues) {
        await transport.broadcast(received.subarray(begin, begin + 4 * pieceValues));
      }
      return received;
    },
    allGather: async (bytes) => (size === 1 ? [bytes] : allGather(bytes)),
    async barrier() {
      if (size > 1) await transport.barrier();
    },
  };
}

/** The memory of typed values as bytes. */
function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Memory that is kept from call to call: sums of every step have the same sizes. */
class ReusedBuffers {
  readonly #buffers = new Map<string, Uint8Array<ArrayBuffer>>();

  get(name: string, bytes: number): Uint8Array<ArrayBuffer> {
    let found = this.#buffers.get(name);
    if (found === undefined || found.length < bytes) {
      found = new Uint8Array(bytes);
      this.#buffers.set(name, found);
    }
    return found.subarray(0, bytes);
  }
}

/** The values of stored halves. @param bytes from an even offset on */
function halvesOf({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array {
  return float16ToFloat32(new Uint16Array(buffer, byteOffset, byteLength / 2));
}

/** Rounds values to halves. @param out [2 · values.length] bytes, from an even offset on */
function writeHalves(values: Float32Array, { buffer, byteOffset }: Uint8Array): void {
  new Uint16Array(buffer, byteOffset, values.length).set(float32ToFloat16(values));
}
