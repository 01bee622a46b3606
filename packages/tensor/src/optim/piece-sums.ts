// The way of gradients in one step: from the device, through the sum over the ranks, and back.
import type { Collective } from '@crossgate/collective';
import type { BufferSlice, Device } from '@crossgate/gpu';
import type { Parameter } from '../parameters';

/** A stretch of a gradient arena, which is summed at once. */
export interface Piece {
  readonly slice: BufferSlice;
  /** The parameters whose gradients lie in it, also those that lie in others too. */
  readonly parameters: readonly Parameter[];
}

/** Bytes that are copied out at most before they are summed, unless one piece has more: copies are memory. */
const mostCopied = 2 ** 26;
/** The same in pieces. */
const mostReads = 16;

/** Sums pieces over the ranks, one after the other in a given order, each as soon as it is final on this rank. */
export class PieceSums implements Disposable {
  /** Seconds spent on sums, with waiting for slower ranks. */
  seconds = 0;
  readonly #final: Uint8Array;
  #order: Uint32Array | null = null;
  /** How many pieces of the order are being read or done, and how many are done. */
  #read = 0;
  #done = 0;
  /** Bytes of what is being read or summed. */
  #copied = 0;
  /** The sums, each of which begins when the one before is done. */
  #chain: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;
  #ended = false;

  constructor(
    private readonly device: Device,
    private readonly pieces: readonly Piece[],
    private readonly collective: Collective,
  ) {
    this.#final = new Uint8Array(pieces.length);
  }

  /** Whether the order is known. */
  get begun(): boolean {
    return this.#order !== null;
  }

  /** Begins to sum. @param order of all pieces, the same on every rank. @param final as for {@link add}. */
  begin(order: Uint32Array, final: readonly number[]): void {
    this.#order = order;
    this.add(final);
  }

  /** Declares that nothing that is recorded from now on changes these pieces. */
  add(final: readonly number[]): void {
    for (const piece of final) this.#final[piece] = 1;
    this.#readOn();
  }

  /** @throws what ended the sums, if anything did */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Waits until all pieces are summed, which must all be final. @throws RankLostError, and what the device throws */
  async end(): Promise<void> {
    // Each sum may let others begin.
    for (let chain: Promise<void> | null = null; chain !== this.#chain; ) {
      chain = this.#chain;
      await chain;
    }
    this.check();
    if (this.#done < this.pieces.length) throw new Error('a piece of the gradients never became final');
  }

  /** Gives up what has not begun. */
  [Symbol.dispose](): void {
    this.#ended = true;
  }

  /** Copies out what is final and next in order. */
  #readOn(): void {
    const order = this.#order!;
    while (this.#read < order.length && this.#read - this.#done < mostReads && this.#final[order[this.#read]!]) {
      const { slice } = this.pieces[order[this.#read]!]!;
      if (this.#copied > 0 && this.#copied + slice.size > mostCopied) return;
      this.#read++;
      this.#copied += slice.size;
      const reading = this.device.recorder.read(slice);
      // Awaited in its turn; should another sum fail first, nobody would.
      reading.catch(() => {});
      this.#chain = this.#chain.then(() => this.#sum(slice, reading));
    }
  }

  /** Sums one piece. What fails is kept for {@link check}, and ends the sums. */
  async #sum(slice: BufferSlice, reading: Promise<ArrayBuffer>): Promise<void> {
    const isOver = () => this.#ended || this.#failure !== null;
    try {
      if (isOver()) return;
      const values = new Float32Array(await reading);
      if (isOver()) return;
      const start = performance.now();
      await this.collective.allReduce(values);
      this.seconds += (performance.now() - start) / 1000;
      if (isOver()) return;
      this.device.recorder.write(slice, values);
      this.#done++;
      this.#copied -= slice.size;
      this.#readOn();
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}
