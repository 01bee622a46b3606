// Times of single dispatches, by the GPU's timestamps.

import type { DispatchTime } from './profiler/profiler';
import type { Wait } from './wait';

const usageMapRead = 0x01;
const usageCopySource = 0x04;
const usageCopyTarget = 0x08;
const usageQueryResolve = 0x200;

/** Measures dispatches of a batch, each in a pass of its own, and fetches their times after the batch is submitted. */
export class Timestamps {
  readonly #querySet: GPUQuerySet;
  readonly #resolve: GPUBuffer;
  /** Dispatches of this batch that are measured. */
  #timed: DispatchTime[] = [];
  /** Times that are on their way. */
  #fetched: Promise<void>[] = [];

  /** @param most dispatches of a batch */
  constructor(
    private readonly gpu: GPUDevice,
    private readonly wait: Wait,
    most: number,
  ) {
    this.#querySet = gpu.createQuerySet({ type: 'timestamp', count: 2 * most });
    const usage = usageQueryResolve | usageCopySource;
    this.#resolve = gpu.createBuffer({ size: 16 * most, usage, label: 'timestamps' });
  }

  /** What the pass of a dispatch writes. */
  writes(timed: DispatchTime): GPUComputePassTimestampWrites {
    const index = this.#timed.push(timed) - 1;
    return {
      querySet: this.#querySet,
      beginningOfPassWriteIndex: 2 * index,
      endOfPassWriteIndex: 2 * index + 1,
    };
  }

  /** Adds the commands that fetch this batch's times; returns what reads them once it is submitted, if there are any. */
  resolve(encoder: GPUCommandEncoder): (() => void) | null {
    const timed = this.#timed;
    if (timed.length === 0) return null;
    this.#timed = [];
    const bytes = 16 * timed.length;
    const usage = usageMapRead | usageCopyTarget;
    const staging = this.gpu.createBuffer({ size: bytes, usage, label: 'timestamps' });
    encoder.resolveQuerySet(this.#querySet, 0, 2 * timed.length, this.#resolve, 0);
    encoder.copyBufferToBuffer(this.#resolve, 0, staging, 0, bytes);
    const submitted = performance.now();
    return () => {
      const fetched = this.#read(timed, staging, submitted);
      fetched.catch(() => {}); // Of a device that is lost: whoever waits for the device is told.
      this.#fetched.push(fetched);
    };
  }

  async #read(timed: readonly DispatchTime[], staging: GPUBuffer, submitted: number): Promise<void> {
    await this.wait(staging.mapAsync(1));
    const times = new BigUint64Array(staging.getMappedRange());
    for (const [i, dispatch] of timed.entries()) {
      dispatch.begin = times[2 * i]!;
      dispatch.end = times[2 * i + 1]!;
      dispatch.submitted = submitted;
    }
    staging.unmap();
    staging.destroy();
  }

  /** Waits for all times of submitted batches. */
  async settle(): Promise<void> {
    await Promise.all(this.#fetched.splice(0));
  }
}
