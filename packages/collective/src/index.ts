/** @crossgate/collective: what ranks of a job do together. The entry `./node` has Open MPI. */
export { alone, type Collective, type Share, shareOf, type Wire } from './collective';
export { RankLostError } from './errors';
export { inProcess } from './in-process';
export { gatherValues, someRank, valuesOfRankZero } from './values';
