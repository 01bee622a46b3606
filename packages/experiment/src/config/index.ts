/** @crossgate/experiment/config: configs read, checked and described. Loads no package that uses a GPU. */
export {
  type LoadedConfig,
  type LoadOptions,
  loadConfig,
  loadConfigWithNotes,
  readDataOptions,
  type UnreadKey,
} from './load';
export { readsOf } from './reads';
export {
  ACTIVATION_STORAGES,
  CF_METHODS,
  cfMethods,
  configJsonSchema,
  configSchema,
  type ExperimentConfig,
  type JsonSchema,
  METHOD_NAMES,
  PRECISIONS,
  RANKING_METRICS,
  SPLIT_NAMES,
  type SplitName,
  type StageConfig,
  WEIGHT_STORAGES,
} from './schema';
export { type OptionValue, SET_RULE } from './set';
