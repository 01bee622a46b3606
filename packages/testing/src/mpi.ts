/** Open MPI's launcher of this machine, for tests. */
import { execFileSync } from 'node:child_process';
import { findProgram } from './programs';

/** What to say of tests that are skipped for want of a launcher. */
export const noMpi = 'no mpirun: apt-get install -y --no-install-recommends openmpi-bin, or set CROSSGATE_MPIRUN';

/**
 * The launcher that CROSSGATE_MPIRUN names, else the `mpirun` on the path; null when there is none.
 * @throws Error when CROSSGATE_MPIRUN names what is no program: whoever sets it wants no test to be skipped
 */
export function findMpirun(env?: Readonly<Record<string, string | undefined>>): string | null {
  return findProgram({ variable: 'CROSSGATE_MPIRUN', names: ['mpirun'] }, env);
}

/** Arguments that start so many ranks on this machine, whatever its number of cores. */
export const mpirunArguments = (ranks: number): string[] => [...quiet(), '--oversubscribe', '-n', String(ranks)];

/** What keeps the launcher from words of its own: version 5 has nothing for that. */
function quiet(): string[] {
  const version = execFileSync(findMpirun() ?? 'mpirun', ['--version'], { encoding: 'utf8' });
  return /\(Open MPI\) 4\./.test(version) ? ['--quiet'] : [];
}

/** What a launcher that root starts, as in containers, asks for. */
export const mpirunEnvironment = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' } as const;
