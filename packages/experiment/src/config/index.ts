/** @crossgate/experiment/config: configs read, checked and described. Loads no package that uses a GPU. */
export { type LoadOptions, loadConfig, readDataOptions } from './load';
export {
  ACTIVATION_STORAGES,
  CF_METHODS,
  cfMethods,
  configJsonSchema,
  configSchema,
  type ExperimentConfig,
  type JsonSchema,
  METHOD_NAMES,
  RANKING_METRICS,
  SPLIT_NAMES,
  type SplitName,
  type StageConfig,
  WEIGHT_STORAGES,
} from './schema';
