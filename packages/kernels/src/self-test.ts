/** Kernels that a driver may refuse, or compute wrongly: what they give, judged, with no error left behind. */
import { type BufferSlice, type Device, ValidationError } from '@crossgate/gpu';

/** Most errors of a device that are waited for after a kernel which does not compile. */
const mostErrors = 8;

/**
 * Runs kernels and judges their results. Opens a step of its own. Errors of kernels that do not compile are a part of the
 * answer; the device can be used as before.
 *
 * @param record records the kernels; gives their results.
 * @param judge what is wrong with the results, in words that end a sentence; null where all is right.
 * @returns what `judge` says, or that kernels do not compile.
 * @throws DeviceLostError where the device does not survive it.
 */
export async function faultOf(
  device: Device,
  record: () => readonly BufferSlice[],
  judge: (results: readonly Float32Array[]) => string | null,
): Promise<string | null> {
  let reads: readonly Promise<ArrayBuffer>[] = [];
  try {
    // Kernels compile at the same time, and one that fails to is not run.
    await device.recorder.compileAhead(() => {
      using _ = device.step();
      reads = record().map((slice) => device.recorder.read(slice));
      for (const read of reads) read.catch(() => {}); // Awaited below, where an error tells enough.
    });
    return judge((await Promise.all(reads)).map((buffer) => new Float32Array(buffer)));
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    await Promise.allSettled(reads);
    const messages = [error, ...(await laterErrors(device))].map(({ message }) => message);
    return `do not compile: ${messages.join('; ')}`;
  }
}

/** The other errors of a device after one: whoever uses it next must not meet them. */
async function laterErrors({ recorder }: Device): Promise<readonly ValidationError[]> {
  const errors: ValidationError[] = [];
  for (;;) {
    try {
      await recorder.synchronize();
      return errors;
    } catch (error) {
      if (!(error instanceof ValidationError) || errors.push(error) === mostErrors) throw error;
    }
  }
}
