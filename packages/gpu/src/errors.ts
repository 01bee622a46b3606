// The ways a GPU can fail, as errors a caller can tell apart by name.

/** Input that the caller must change: a wrong option, shape or limit. */
export class InputError extends Error {
  override name = 'InputError';
}

/** No adapter fits the request. The message lists what was found and what to install. */
export class NoAdapterError extends Error {
  override name = 'NoAdapterError';
}

/** The device was lost (driver reset, removal, out of memory). It can't be revived in this process. */
export class DeviceLostError extends Error {
  override name = 'DeviceLostError';
}

/** An allocation would exceed the device's budget or limits. The message holds the sizes. */
export class OutOfMemoryError extends Error {
  override name = 'OutOfMemoryError';
}

/** The WebGPU implementation rejected a command: a bug in a kernel or its launcher. */
export class ValidationError extends Error {
  override name = 'ValidationError';
}
