/** File formats of this package, free of any platform: safetensors, and the bytes beneath it. */
export * from './byte-source';
export * from './half';
export { type HttpOptions, httpHas, httpSource } from './http-source';
export * from './input-error';
export * from './safetensors';
