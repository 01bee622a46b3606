/** Open MPI's launcher of this machine, for tests. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What to say of tests that are skipped for want of a launcher. */
export const noMpi = 'no mpirun: apt-get install -y --no-install-recommends openmpi-bin, or set CROSSGATE_MPIRUN';

/** The launcher that CROSSGATE_MPIRUN names, else the `mpirun` on the path; null when there is none. */
export function findMpirun(
  { CROSSGATE_MPIRUN: named, PATH = '' }: Readonly<Record<string, string | undefined>> = process.env,
): string | null {
  const isProgram = (path: string) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (named) return named;
  const folders = PATH.split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, 'mpirun')).find(isProgram) ?? null;
}

/** Arguments that start so many ranks on this machine, whatever its number of cores. */
export const mpirunArguments = (ranks: number): string[] => ['--quiet', '--oversubscribe', '-n', String(ranks)];

/** What a launcher that root starts, as in containers, asks for. */
export const mpirunEnvironment = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' } as const;
