// Every operation on tensors.
export * from './argmax';
export * from './concat';
export * from './dropout';
export * from './elementwise';
export * from './embedding';
export * from './gated-fusion';
export * from './linear';
export * from './lora-linear';
export * from './losses';
export * from './sparse';
export * from './sum';
export * from './transformer';
