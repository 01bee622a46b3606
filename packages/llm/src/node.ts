/** @crossgate/llm/node: models on disk, loaded with their memory checked. */
export type { OpenModel } from './formats/open-folder';
export { openAdapter } from './node/adapters';
export { loadModel } from './node/load-model';
export { type ModelFolderSettings, writeModelFolder } from './node/model-folder';
export { modelHash } from './node/model-hash';
export { findModel } from './node/model-path';
export {
  ggufTokenizerFiles,
  modelFiles,
  openFolder,
  openModel,
  openTokenizer,
} from './node/open-model';
