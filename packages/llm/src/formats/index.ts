/** Models on disk and their tokenizers, independent of any platform and of the GPU. */
export {
  configFromGguf,
  configFromHuggingFace,
  expectedTensors,
  isLinearWeight,
  isTokenWeight,
  type LlamaConfig,
} from '../config';
export { type RopeScaling, rotaryFrequencies, rotaryScale } from '../rotary';
export * from '../tokenizer';
export type { YarnScaling } from '../yarn';
export { type StoredType, storedTypes } from './dequantize';
export { blobFolder, type HttpFolderOptions, httpFolder, subfolder, usualFiles } from './folders';
export * from './gguf';
export { type GgufModel, ggufParts, huggingFaceName, openGgufModel } from './gguf-model';
export { GgufStrings } from './gguf-strings';
export { tokenizerFilesFromGguf, tokenizerFromGguf } from './gguf-tokenizer';
export {
  type ModelFolder,
  memoryFolder,
  openHuggingFaceModel,
  readConfig,
  readJson,
  shardsByIndex,
  weightFiles,
} from './hugging-face';
export { tokenizerFromFolder } from './hugging-face-tokenizer';
export { type MemoryWeight, weightsInMemory } from './memory';
export { modelFolderHash } from './model-hash';
export { type OpenModel, openModelFolder } from './open-folder';
export { type QuantizedBits, quantizeRows } from './quantize';
export { pickleAdvice } from './recognize';
export type { ReadOptions, StoredChunk, WeightChunk, WeightInfo, WeightSource } from './source';
