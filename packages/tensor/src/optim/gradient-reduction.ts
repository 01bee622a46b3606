// Sums gradients over the ranks of a job, between the backward pass and the update.
import type { Collective } from '@crossgate/collective';
import type { BufferSlice, Device } from '@crossgate/gpu';
import type { ParameterGroup } from '../parameters';

/** Bytes of one piece: one is read from the device while the one before travels between the ranks. */
const pieceBytes = 2 ** 22;

/**
 * Sums the gradients of parameter groups over the ranks of a job, in place, in pieces of the groups' arenas. Every rank
 * then has the same bits, so an optimizer makes the same update everywhere. With one rank it does nothing.
 */
export class GradientReduction {
  /** Seconds spent so far on sums between ranks, with waiting for slower ranks. */
  seconds = 0;
  readonly #device: Device;
  readonly #pieces: readonly BufferSlice[];

  constructor(
    groups: readonly ParameterGroup[],
    /** The ranks; they have groups of the same shapes. */
    readonly collective: Collective,
  ) {
    this.#device = groups[0]!.device;
    this.#pieces = groups
      .flatMap(({ sections }) => sections)
      .flatMap(({ gradient: { storage, offset, size } }) =>
        Array.from({ length: Math.ceil(size / pieceBytes) }, (_, i) => {
          const begin = i * pieceBytes;
          return { storage, offset: offset + begin, size: Math.min(pieceBytes, size - begin) };
        }),
      );
  }

  /**
   * Replaces the gradients of every rank by their sum. Call it between two steps of the device, after a backward pass.
   *
   * @throws RankLostError when a rank has ended; what the device throws
   */
  async run(): Promise<void> {
    const { collective } = this;
    if (collective.size === 1) return;
    const { recorder } = this.#device;
    const read = (index: number) => {
      const piece = this.#pieces[index];
      const reading = piece && recorder.read(piece);
      // Awaited below; should the ranks fail first, nobody would.
      reading?.catch(() => {});
      return reading;
    };
    let next = read(0);
    for (const [index, piece] of this.#pieces.entries()) {
      const values = new Float32Array((await next)!);
      next = read(index + 1);
      const start = performance.now();
      await collective.allReduce(values);
      this.seconds += (performance.now() - start) / 1000;
      recorder.write(piece, values);
    }
  }
}
