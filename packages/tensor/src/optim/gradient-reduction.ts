// Sums gradients over the ranks of a job while the backward pass runs.
import type { Collective } from '@crossgate/collective';
import type { BufferSlice, Device } from '@crossgate/gpu';
import type { Parameter, ParameterGroup } from '../parameters';
import type { Tape } from '../tape';
import { type Piece, PieceSums } from './piece-sums';

/** Bytes of one piece: large enough that a message costs little, small enough that the first one travels soon. */
const usualPieceBytes = 2 ** 22;
/** The same where one parameter is at least as large, such as a table: all of it becomes final at once. */
const tablePieceBytes = 2 ** 24;

/** Optional settings of {@link GradientReduction}, the same on every rank. */
export interface GradientReductionOptions {
  /** Bytes that are read and sent at once, a multiple of 4. Default 4 MiB; 16 MiB in arenas with a parameter of that size. */
  readonly pieceBytes?: number;
}

/**
 * Runs backward passes, and sums the gradients of parameter groups over the ranks of a job, in place, in pieces of the
 * groups' arenas. A piece is read and sent as soon as the last operation that adds to it is recorded; meanwhile the device
 * goes on with the rest. Every rank then has the same bits, so an optimizer makes the same update everywhere.
 *
 * All ranks send the pieces in one order: that in which they became final in the first backward pass of rank 0, which
 * therefore sends only after it has been recorded. A rank on which they become final in another order, or that has no rows,
 * sends in this order too. The sums do not depend on it.
 */
export class GradientReduction {
  /** Seconds spent so far on sums between ranks, with waiting for slower ranks, and also while the device computed. */
  seconds = 0;
  readonly #device: Device;
  readonly #pieces: readonly Piece[];
  /** Numbers of the pieces; null until rank 0 has made a backward pass. */
  #order: Uint32Array | null = null;

  constructor(
    groups: readonly ParameterGroup[],
    /** The ranks; they have groups of the same shapes. */
    readonly collective: Collective,
    { pieceBytes }: GradientReductionOptions = {},
  ) {
    this.#device = groups[0]!.device;
    this.#pieces = groups.flatMap((group) => piecesOf(group, pieceBytes));
  }

  /**
   * Runs the backward pass of a tape, and replaces the gradients of every rank by their sum. Gradients that were there
   * before, such as those of earlier parts of a batch, are summed with it. Call it within a step, on all ranks. With one rank
   * it is `tape.backward()`.
   *
   * @param tape with nothing recorded on a rank that has no rows.
   * @throws RankLostError when a rank has ended; what the device and `Tape.backward` throw. The gradients are then undefined.
   */
  async backward(tape: Tape): Promise<void> {
    const { collective } = this;
    if (collective.size === 1) {
      tape.backward();
      return;
    }
    const left = this.#pieces.map(({ parameters }) => parameters.filter((each) => tape.parameters.has(each)).length);
    const final = left.flatMap((count, piece) => (count === 0 ? [piece] : []));
    const hasRows = tape.length > 0;
    using sums = new PieceSums(this.#device, this.#pieces, collective);
    if (this.#order) sums.begin(this.#order, final);
    for (const parameters of tape.backwardInParts()) {
      const now = this.#becomeFinal(parameters, left);
      if (now.length === 0) continue;
      final.push(...now);
      if (!sums.begun) continue;
      sums.add(now);
      // What the device and the other ranks have answered is heard here.
      await new Promise((resolve) => setTimeout(resolve, 0));
      sums.check();
    }
    if (!sums.begun) sums.begin(await this.#agree(hasRows ? final : []), final);
    await sums.end();
    this.seconds += sums.seconds;
  }

  /** Counts parameters as final. @returns the pieces that have become so by it, the last of an arena first. */
  #becomeFinal(parameters: readonly Parameter[], left: number[]): number[] {
    const now: number[] = [];
    for (let piece = left.length - 1; piece >= 0; piece--) {
      if (left[piece] === 0) continue;
      left[piece]! -= this.#pieces[piece]!.parameters.filter((each) => parameters.includes(each)).length;
      if (left[piece] === 0) now.push(piece);
    }
    return now;
  }

  /** The order of rank 0. @param own the order in which pieces became final here, empty without a backward pass. */
  async #agree(own: readonly number[]): Promise<Uint32Array> {
    const bytes = await this.collective.broadcast(new Uint8Array(Uint32Array.from(own).buffer));
    // A copy begins where numbers may.
    const order = new Uint32Array(bytes.slice().buffer);
    if (order.length > 0) this.#order = order;
    return this.#order ?? Uint32Array.from(this.#pieces.keys());
  }
}

/** The gradients of a group in pieces. */
function piecesOf({ sections, parameters }: ParameterGroup, wanted: number | undefined): Piece[] {
  return sections.flatMap(({ gradient: { storage, offset, size } }) => {
    const own = parameters.filter(({ gradient }) => gradient.storage === storage);
    const hasTable = own.some(({ gradient }) => gradient.size >= tablePieceBytes);
    const pieceBytes = wanted ?? (hasTable ? tablePieceBytes : usualPieceBytes);
    return Array.from({ length: Math.ceil(size / pieceBytes) }, (_, i) => {
      const begin = offset + i * pieceBytes;
      const slice: BufferSlice = { storage, offset: begin, size: Math.min(pieceBytes, offset + size - begin) };
      const isInside = ({ gradient }: Parameter) =>
        gradient.offset < begin + slice.size && gradient.offset + gradient.size > begin;
      return { slice, parameters: own.filter(isInside) };
    });
  });
}
