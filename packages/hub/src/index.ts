/** @crossgate/hub: language models by name, fetched from the Hugging Face Hub, checked and cached. Node only. */
export { type Hub, hubOf } from './api';
export {
  findPulled,
  findShared,
  type ModelReference,
  modelCache,
  parseReference,
  type SharedModel,
} from './cache';
export { type CachePlace, huggingFaceFolder, offlineBy } from './environment';
export { type Pulled, type PullOptions, pullModel } from './pull';
