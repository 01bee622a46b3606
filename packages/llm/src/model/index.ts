// The model itself: forward pass, cache, adapters, scoring, generation.
export * from './cache';
export * from './generate';
export * from './generate-text';
export * from './llama';
export {
  checkModelFits,
  type LoadModelOptions,
  loadedBytes,
  loadModel,
  type ModelBudget,
  smallerWeights,
} from './load-model';
export { type LoadOptions, type WeightStorage, weightBytes } from './load-weights';
export * from './lora';
export * from './merge';
export * from './packing';
export * from './peft';
export type { PeftTensors } from './peft-tensors';
export { contextOf, contextWords, rotaryRows, rotatesByLength } from './rotation';
export * from './sampling';
export { type AdapterWeights, withSavedWeights } from './saved-weights';
export * from './score';
