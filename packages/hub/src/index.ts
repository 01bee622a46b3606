/** @crossgate/hub: language models by name, fetched from the Hugging Face Hub, checked and cached. Node only. */

export type { CachePlace } from '@crossgate/files';
export { type Hub, hubOf } from './api';
export {
  findPulled,
  findShared,
  type ModelReference,
  modelCache,
  parseReference,
  type SharedModel,
} from './cache';
export { huggingFaceFolder, offlineBy } from './environment';
export { type Pulled, type PullOptions, pullModel } from './pull';
