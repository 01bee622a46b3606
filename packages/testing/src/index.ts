/** Float64 reference operations and gradient checks for Crossgate's tests. */
export * from './activations';
export * from './answer-loss';
export * from './attention';
export * from './ccf';
export * from './compare';
export * from './embedding';
export * from './gated-fusion';
export * from './gradient-check';
export * from './linear-algebra';
export * from './llama';
export * from './normalization';
export * from './optimizers';
export * from './philox';
export * from './reference';
export * from './rope';
export * from './softmax';
export * from './sparse';
