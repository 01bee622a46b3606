// CCF-LLM: hybrid prompts, alignment and gated fusion of collaborative and language embeddings.
export * from './alignment';
export * from './batch';
export * from './build';
export * from './candidates';
export * from './channels';
export * from './memory-plan';
export * from './methods/index';
export * from './model';
export * from './prompt';
export * from './scoring';
export * from './template';
export * from './trainer';
export * from './trainer-options';
export { checkValidation, type ValidationOptions } from './validation';
