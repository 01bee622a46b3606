/** Names of the activations and their numbers in include/activations.wgsl. */

export const activationConstants = { NONE: 0, RELU: 1, SIGMOID: 2, TANH: 3, SILU: 4 } as const;

/** Number of each activation by its name; `copy` and `none` are the identity. */
export const activationNumbers = {
  none: activationConstants.NONE,
  copy: activationConstants.NONE,
  relu: activationConstants.RELU,
  sigmoid: activationConstants.SIGMOID,
  tanh: activationConstants.TANH,
  silu: activationConstants.SILU,
} as const;
