// The model itself: forward pass, adapters, generation.
export * from './generate';
export * from './llama';
export * from './lora';
export * from './merge';
export * from './packing';
export * from './peft';
