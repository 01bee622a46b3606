/** What a finished run gives in bulk: scores of pairs, lists for every user, nearest items, and its vectors; also as shards. */
export type { Bulk, BulkCounts } from './bulk';
export { type MergedShards, mergeShards } from './merge-shards';
export { openPairs, type PairsOptions, type PredictCounts, type PredictPairsOptions, predictPairs } from './predict';
export {
  type AllUsersOptions,
  openAllUsers,
  type RecommendAllCounts,
  type RecommendAllOptions,
  recommendAll,
} from './recommend-all';
export { openVectors, type RunVectors, type VectorKind, type VectorOptions } from './run-vectors';
export { MOST_SHARDS, type Shard, type ShardManifest } from './shard-files';
export { type SimilarItems, type SimilarOptions, similarItems } from './similar';
export { LIST_FORMATS, type ListFormat } from './table-formats';
export { VECTOR_FORMATS, type VectorFormat } from './vector-formats';
export type { QueueServer } from './work-queue';
export {
  type Enqueued,
  type EnqueueOptions,
  enqueueShards,
  type Worked,
  type WorkOptions,
  workShards,
} from './work-shards';
export { type ShardOptions, type WrittenShard, writeShard } from './write-shard';
export { VECTOR_KINDS, type WriteVectorsOptions, type WrittenVectors, writeVectors } from './write-vectors';
