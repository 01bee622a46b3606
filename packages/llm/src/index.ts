/** LLaMA-family language models on WebGPU. */
export * from './formats/index';
export * from './model/index';
