/** What a finished run gives in bulk: lists for every user, nearest items, and its vectors. */
export { LIST_FORMATS, type ListFormat } from './list-formats';
export { type RecommendAllCounts, type RecommendAllOptions, recommendAll } from './recommend-all';
export { openVectors, type RunVectors, type VectorKind, type VectorOptions } from './run-vectors';
export { type SimilarItems, type SimilarOptions, similarItems } from './similar';
export { VECTOR_FORMATS, type VectorFormat } from './vector-formats';
export { VECTOR_KINDS, type WriteVectorsOptions, type WrittenVectors, writeVectors } from './write-vectors';
