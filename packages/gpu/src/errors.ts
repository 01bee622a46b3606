// The ways a GPU can fail, as errors a caller can tell apart.
import { CrossgateError, type ErrorDetails } from '@crossgate/core';

export { InputError, NoAdapterError } from '@crossgate/core';

/** The device was lost (driver reset, removal, out of memory). It can't be revived in this process. */
export class DeviceLostError extends CrossgateError {
  override name = 'DeviceLostError';

  constructor(problem: string, details: ErrorDetails = {}) {
    super(problem, details, 'gpu.lost');
  }
}

/** An allocation would exceed the device's budget or limits. The message holds the sizes. */
export class OutOfMemoryError extends CrossgateError {
  override name = 'OutOfMemoryError';

  constructor(problem: string, details: ErrorDetails = {}) {
    super(problem, details, 'gpu.memory');
  }
}

/** The WebGPU implementation rejected a command: a bug in a kernel or its launcher. */
export class ValidationError extends CrossgateError {
  override name = 'ValidationError';

  constructor(problem: string, details: ErrorDetails = {}) {
    super(problem, details, 'gpu.validation');
  }
}
