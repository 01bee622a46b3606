/** @crossgate/collective/launch: what a launcher says of this process, by the environment alone. Loads no MPI. */

/** Variables of the environment. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Number of ranks that a launcher started this process among; null without one. It is read from the environment alone, so
 * that a program that was started by itself never loads MPI.
 */
export function launchedRanks(env: Environment = process.env): number | null {
  // In this order: inside a step of Slurm, Open MPI's mpirun counts; PMI_SIZE is what MPICH and Slurm's pmi2 set.
  for (const name of ['OMPI_COMM_WORLD_SIZE', 'SLURM_STEP_NUM_TASKS', 'PMI_SIZE']) {
    const value = Number(env[name]);
    if (Number.isInteger(value) && value >= 1) return value;
  }
  return null;
}

/** Number of this process among those that the launcher started; 0 without one. */
export function launchedRank(env: Environment = process.env): number {
  for (const name of ['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'SLURM_PROCID', 'PMI_RANK']) {
    const value = Number(env[name] ?? Number.NaN);
    if (Number.isInteger(value) && value >= 0) return value;
  }
  return 0;
}
