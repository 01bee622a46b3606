/** @crossgate/hub: language models by name, fetched from the Hugging Face Hub, checked and cached. Node only. */
export { type Hub, hubOf } from './api';
export {
  type CachePlace,
  findPulled,
  huggingFaceFolder,
  type ModelReference,
  modelCache,
  parseReference,
} from './cache';
export { type Pulled, type PullOptions, pullModel } from './pull';
