/** @crossgate/collective/node: the ranks that mpirun or srun started, by Open MPI. */
export { launchedRank, launchedRanks } from './launch';
export { type MpiJob, type MpiOptions, openMpi } from './mpi';
