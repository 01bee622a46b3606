/** The ranks of a job of Open MPI. */
import { InputError } from '@crossgate/core';
import type { Collective } from './collective';
import { RankLostError } from './errors';
import { launchedRanks } from './launch';
import { loadMpi, type MpiLibrary, type Request } from './mpi-library';
import { type Peer, Peers, thisPeer } from './peers';
import { collectiveOver, type Transport } from './transport';

/** A job of Open MPI, as one rank sees it. */
export interface MpiJob extends Collective {
  /** Path or name of the library in use. */
  readonly library: string;
  /** Host name of every rank, in their order. */
  readonly hosts: readonly string[];
  /**
   * Ends this rank's part. The ranks tell each other their exit codes; a rank that fails while others go on ends the whole
   * job, after it has told why.
   *
   * @param code exit code of this rank.
   * @param complain called with true where this rank has to say what went wrong: the lowest that failed, unless rank 0
   * did, which has told already; or one whose failure the others do not share. The job ends when it returns.
   */
  end(code: number, complain: () => Promise<void>): Promise<void>;
}

/** How a job is opened. */
export interface MpiOptions {
  /** Environment that says where the library lies, and whether a launcher started several ranks. */
  readonly env?: NodeJS.ProcessEnv;
  /** Aborted when this process is asked to stop: ranks that do not answer are then given up sooner. */
  readonly signal?: AbortSignal;
}

/** MPI_THREAD_FUNNELED: the process has more threads, but one of them alone calls MPI. */
const THREAD_FUNNELED = 1;
/** Milliseconds of waiting during which each turn of the event loop asks MPI; later it sleeps between. */
const SPIN = 3;
/** Times that MPI is asked in each turn: some microseconds in all. */
const TESTS = 16;
/**
 * Milliseconds between looks at the other ranks' processes: usually, and once this one is to stop. `mpirun` ends all a second
 * after a rank has died: until then, somebody must have said why.
 */
const [LOOK, LOOK_STOPPING] = [200, 50];
/** Milliseconds that ranks on other machines get to answer once this one is to stop. */
const PATIENCE = 20_000;
/** Milliseconds that the other ranks get to fail as well, before a failure is this rank's alone. */
const AGREE = 3_000;

let opened: Promise<MpiJob> | undefined;

/**
 * Joins the job that `mpirun` or `srun` started this process in. A process does so once: later calls give the same job.
 *
 * @throws InputError without Open MPI's library, and where the launcher started several ranks that MPI knows nothing of
 */
export function openMpi(options: MpiOptions = {}): Promise<MpiJob> {
  opened ??= open(options);
  return opened;
}

async function open({ env = process.env, signal }: MpiOptions): Promise<MpiJob> {
  const mpi = loadMpi(env);
  const flag = new Int32Array(1);
  mpi.initialized(flag);
  // Whoever else uses MPI in this process may have begun already; a second time it would end the process.
  if (flag[0] === 0) mpi.initThread(null, null, THREAD_FUNNELED, new Int32Array(1));
  const number = (ask: MpiLibrary['rank']) => {
    const out = new Int32Array(1);
    ask(mpi.world, out);
    return out[0]!;
  };
  const [rank, size] = [number(mpi.rank), number(mpi.size)];
  const started = launchedRanks(env);
  if (started !== null && started !== size) {
    mpi.finalize();
    throw new InputError(`the launcher started ${started} ranks, but Open MPI knows of ${size}`, {
      code: 'ranks.mpi',
      fix: "start them with Open MPI's own mpirun, or with srun --mpi=pmix",
    });
  }
  const link = new Link(mpi, rank, size, signal);
  const collective = collectiveOver(link);
  const own = thisPeer(rank);
  const all = (await collective.allGather(new TextEncoder().encode(JSON.stringify(own)))).map(
    (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Peer,
  );
  link.peers = new Peers(own, all);
  return {
    ...collective,
    library: mpi.path,
    hosts: all.map(({ host }) => host),
    end: (code, complain) => link.end(code, complain),
  };
}

/** Moves bytes by MPI. Calls begin at once and are asked for from the event loop, which stays free meanwhile. */
class Link implements Transport {
  peers: Peers | undefined;
  /** Ranks tell each other here how they end, whatever else they wait for. */
  readonly #ends: bigint;
  readonly #flag = new Int32Array(1);
  #stoppedAt: number | null = null;
  /** What MPI reads and writes at present: it must live and stay where it is until then. */
  readonly #inUse = new Set<readonly ArrayBufferView[]>();

  constructor(
    private readonly mpi: MpiLibrary,
    readonly rank: number,
    readonly size: number,
    private readonly signal: AbortSignal | undefined,
  ) {
    const communicator = new BigUint64Array(1);
    mpi.duplicate(mpi.world, communicator);
    this.#ends = communicator[0]!;
  }

  allToAll(send: Uint8Array, sendCounts: Int32Array, receive: Uint8Array, receiveCounts: Int32Array): Promise<void> {
    const { mpi } = this;
    const [from, to] = [placesOf(sendCounts), placesOf(receiveCounts)];
    return this.#whole(
      (request) =>
        mpi.allToAll(
          ...([send, sendCounts, from, mpi.byte] as const),
          ...([receive, receiveCounts, to, mpi.byte] as const),
          ...([mpi.world, request] as const),
        ),
      [send, sendCounts, from, receive, receiveCounts, to],
    );
  }

  allGather(send: Uint8Array, receive: Uint8Array, counts: Int32Array): Promise<void> {
    const { mpi } = this;
    const places = placesOf(counts);
    return this.#whole(
      (request) => mpi.allGather(send, send.length, mpi.byte, receive, counts, places, mpi.byte, mpi.world, request),
      [send, receive, counts, places],
    );
  }

  broadcast(bytes: Uint8Array): Promise<void> {
    const { mpi } = this;
    return this.#whole((request) => mpi.broadcast(bytes, bytes.length, mpi.byte, 0, mpi.world, request), [bytes]);
  }

  barrier(): Promise<void> {
    return this.#whole((request) => this.mpi.barrier(this.mpi.world, request), []);
  }

  async end(code: number, complain: () => Promise<void>): Promise<void> {
    const { mpi, rank, size } = this;
    const codes = new Int32Array(size);
    const [own, counts] = [Int32Array.of(code), new Int32Array(size).fill(4)];
    const places = placesOf(counts);
    let agreed = false;
    let isLost = false;
    let hasSpoken = false;
    /** Of those that are left on a machine, the first says that rank 0 has died: it can no longer say anything itself. */
    const speakForRankZero = async () => {
      if (hasSpoken || rank === 0 || this.peers?.ended() !== 0 || !this.peers.isFirst) return;
      hasSpoken = true;
      await complain();
    };
    // Before anything is waited for: the launcher ends all soon.
    if (code !== 0) await speakForRankZero();
    try {
      agreed = await this.#finished(
        (request) => mpi.allGather(own, 4, mpi.byte, codes, counts, places, mpi.byte, this.#ends, request),
        [own, codes, counts, places],
        code === 0 ? Number.POSITIVE_INFINITY : AGREE,
      );
    } catch (error) {
      if (!(error instanceof RankLostError)) throw error;
      isLost = true;
      await speakForRankZero();
      // The launcher has ended the job by itself.
      if (!this.peers?.someFar) return;
    }
    if (agreed) {
      if (codes.findIndex((each) => each !== 0) === rank && rank > 0) await complain();
      // A sum may have been under way when this rank failed. Asked for after MPI's end, it would end the process.
      const until = performance.now() + AGREE;
      while (this.#inUse.size > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, 1));
      if (this.#inUse.size === 0) mpi.finalize();
      else mpi.abort(mpi.world, code === 0 ? 1 : code);
      return;
    }
    // The others wait for this rank, or are gone, of which rank 0 or the one that speaks for it has told.
    if (rank > 0 && !isLost) await complain();
    mpi.abort(mpi.world, code === 0 ? 1 : code);
  }

  async #whole(begin: (request: Request) => number, memory: readonly ArrayBufferView[]): Promise<void> {
    await this.#finished(begin, memory);
  }

  /**
   * Begins a call and waits for its end.
   *
   * @param memory what MPI reads and writes until then.
   * @param limit milliseconds; default none.
   * @returns whether it ended within the limit.
   * @throws RankLostError when a rank has ended meanwhile, or does not answer though this one was asked to stop
   */
  async #finished(
    begin: (request: Request) => number,
    memory: readonly ArrayBufferView[],
    limit = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    const request: Request = new BigUint64Array(1);
    begin(request);
    // What is given up stays: MPI may still write it.
    this.#inUse.add(memory);
    const start = performance.now();
    let looked = start;
    while (!this.#hasEnded(request)) {
      const now = performance.now();
      if (now - start > limit) return false;
      if (this.signal?.aborted) this.#stoppedAt ??= now;
      if (now - looked > (this.#stoppedAt === null ? LOOK : LOOK_STOPPING)) {
        looked = now;
        const lost = this.#lostRank(now);
        // A rank may have sent its part and then ended.
        if (lost !== undefined && !this.#hasEnded(request)) throw new RankLostError(lost);
      }
      await (now - start < SPIN ? new Promise(setImmediate) : new Promise((done) => setTimeout(done, 1)));
    }
    this.#inUse.delete(memory);
    return true;
  }

  #hasEnded(request: Request): boolean {
    // MPI moves data only while it is asked: several pieces a turn.
    for (let turn = 0; turn < TESTS; turn++) {
      this.mpi.test(request, this.#flag, null);
      if (this.#flag[0] !== 0) return true;
    }
    return false;
  }

  /** A rank that will not answer any more, null where it is not known which; undefined while all may. */
  #lostRank(now: number): number | null | undefined {
    const ended = this.peers?.ended() ?? null;
    if (ended !== null) return ended;
    const isLate = this.#stoppedAt !== null && now - this.#stoppedAt > PATIENCE;
    return this.peers?.someFar && isLate ? null : undefined;
  }
}

/** Where each of these many bytes begins, behind each other. */
function placesOf(counts: Int32Array): Int32Array {
  const places = new Int32Array(counts.length);
  for (let i = 1; i < counts.length; i++) places[i] = places[i - 1]! + counts[i - 1]!;
  return places;
}
