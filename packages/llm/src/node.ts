/** @crossgate/llm/node: models on disk, loaded with their memory checked. */
export { openAdapter } from './node/adapters';
export {
  checkModelFits,
  type LoadModelOptions,
  loadedBytes,
  loadModel,
  smallerWeights,
} from './node/load-model';
export { type ModelFolderSettings, writeModelFolder } from './node/model-folder';
export { modelHash } from './node/model-hash';
export { findModel } from './node/model-path';
export {
  ggufTokenizerFiles,
  modelFiles,
  type OpenModel,
  openFolder,
  openModel,
  openTokenizer,
} from './node/open-model';
