// A GPU that is ready to compute: capabilities, memory and the recorder, opened from any WebGPU adapter.
import type { Capabilities, Limits } from './capabilities';
import { limitNames, readCapabilities, readLimits } from './capabilities';
import { DeviceLostError, InputError, OutOfMemoryError, ValidationError } from './errors';
import type { MemoryReport, Scope } from './memory';
import { Memory } from './memory';
import { type CapturedCommands, Program } from './program';
import { Recorder } from './recorder';
import type { Wait } from './wait';

/** Optional features that are enabled where the adapter has them. */
const wantedFeatures = ['subgroups', 'shader-f16', 'timestamp-query', 'chromium-experimental-subgroup-matrix'] as const;

/** How a device is opened; every field may be left out. */
export interface DeviceOptions {
  /** Features to leave off, for tests of the variants that do without. */
  readonly without?: readonly string[];
  /** Limits below the adapter's, respected by every launcher and enforced by the recorder; for tests. */
  readonly limits?: Partial<Limits>;
  /** False sends parameters through a uniform buffer even where immediates exist. */
  readonly immediates?: boolean;
  /** Most bytes that buffers may take on the device. Default: no limit but the driver's. */
  readonly memoryBudget?: number;
  /**
   * Remembers where buffers were asked for, so that `memory.leaks()` can name them; binds no more of a buffer than each
   * tensor, so that a kernel that leaves one is stopped at its end; and fills step memory with NaN before it is handed
   * out, so that a result which depends on what nothing wrote is NaN. Slow.
   */
  readonly debug?: boolean;
  /** Anything that must live as long as the device, e.g. Dawn's instance. Dropped by {@link Device.destroy}. */
  readonly keepAlive?: unknown;
  /** How to wait for the device; see {@link Wait}. */
  readonly wait?: Wait | undefined;
}

/** Everything between two optimizer updates; its memory is returned when it ends (`using step = device.step()`). */
export interface Step extends Disposable {
  /**
   * Ends the step: its buffers return to the pool, and what it recorded is submitted unless it was opened otherwise. A
   * second call does nothing.
   */
  end(): void;
}

/** An opened GPU: what it can do, its memory, and the recorder of its work. Lives until {@link Device.destroy}. */
export class Device implements AsyncDisposable {
  /** Records and submits work; the only way to the queue. */
  readonly recorder: Recorder;
  /** Allocates and returns buffers. */
  readonly memory: Memory;
  #keepAlive: unknown;
  #ended: Promise<void> | undefined;
  readonly #wait: Wait;

  /** Use {@link createDevice}, or `openDevice` of `@crossgate/gpu/node`. */
  constructor(
    /** WebGPU's own device. */
    readonly gpu: GPUDevice,
    /** What the device can do, with the features and limits that it was opened with. */
    readonly capabilities: Capabilities,
    options: DeviceOptions,
  ) {
    this.#keepAlive = options.keepAlive;
    this.#wait = options.wait ?? ((promise) => promise);
    this.recorder = new Recorder(gpu, capabilities, options.wait, options.debug);
    this.memory = new Memory(gpu, capabilities, this.recorder, options.memoryBudget, options.debug);
    gpu.addEventListener('uncapturederror', (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      event.preventDefault(); // It is thrown at the next use instead of printed here.
      this.recorder.fail(
        error.constructor.name === 'GPUOutOfMemoryError'
          ? new OutOfMemoryError(`the driver is out of memory: ${error.message}`)
          : new ValidationError(error.message),
      );
    });
    void gpu.lost.then((info) => {
      if (!this.#ended) this.recorder.fail(new DeviceLostError(`the GPU was lost: ${info.message || info.reason}`));
    });
  }

  /**
   * Opens a step: the scope of temporary memory. Steps do not nest.
   *
   * @param submit false leaves what it records to a later submission, as is good for small steps that follow each
   * other: the device pauses between submissions.
   * @throws Error when one is open already.
   */
  step(submit = true): Step {
    if (this.memory.depth > 0) throw new Error('a step is open already; end it before the next one');
    const scope: Scope = this.memory.openScope();
    let open = true;
    const end = () => {
      if (!open) return;
      open = false;
      // A step that ended by an exception may leave inner scopes behind; they end with it.
      this.memory.closeDownTo(scope);
      if (submit) this.recorder.flush();
    };
    return { end, [Symbol.dispose]: end };
  }

  /**
   * Records a step, and keeps its commands so that it can be replayed without running its code: the same kernels on the
   * same buffers. What may change between replays is the contents of persistent memory, such as the inputs of a step,
   * and numbers that were given as `StepValue`.
   *
   * ```ts
   * const program = device.capture(() => trainStep(inputs)); // opens and ends a step as ever
   * device.recorder.write(inputs, nextBatch); // a slice of persistent memory
   * program.replay();
   * ```
   * @param record synchronous, and opens its steps itself. The program can be replayed only if it writes nothing from
   * the host and reads nothing: see {@link Program.usesHost}.
   * @returns the program, which holds the step's memory until it is disposed of.
   * @throws InputError inside a step or another capture; what `record` throws. What was recorded is carried out in any case.
   */
  capture<T>(record: () => T): Program<T> {
    if (this.memory.depth > 0)
      throw new InputError('a step is captured inside a step: let the captured function open it');
    let result!: T;
    const commands = this.recorder.capture(() => {
      result = record();
    });
    return new Program(commands, this.#replay, result);
  }

  /**
   * Not made in `capture`: a closure there would keep what it records from, such as the batch, as long as the program.
   */
  readonly #replay = (commands: CapturedCommands, submit: boolean): void => {
    if (this.memory.depth > 0) throw new InputError('a captured step is replayed inside a step: end that first');
    this.recorder.replay(commands);
    if (submit) this.recorder.flush();
  };

  /** Bytes on the device by purpose. */
  report(): MemoryReport {
    return this.memory.report();
  }

  /**
   * Ends the device: further use fails, and its memory goes as soon as submitted commands have finished. Needed for
   * Node to exit.
   *
   * @returns resolves when the memory is given back; need not be waited for. A second call gives the same promise.
   */
  destroy(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    this.recorder.fail(new DeviceLostError('the device was destroyed by its owner'));
    // Dawn crashes when a device or its instance goes while commands run (after an error or an interrupt, say), so both
    // go when the queue is idle. A lost device is idle.
    await this.#wait(this.gpu.queue.onSubmittedWorkDone()).catch(() => {});
    this.gpu.destroy();
    await this.gpu.lost;
    this.#keepAlive = undefined;
  }

  /** As {@link destroy}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }

  /** @internal For tests: whether Dawn's instance is still referenced. */
  get holdsInstance(): boolean {
    return this.#keepAlive !== undefined;
  }
}

/** Bytes of immediate data that this implementation's shaders may use. */
export function immediateSize(gpu: GPU, adapter: GPUAdapter): number {
  if (!gpu.wgslLanguageFeatures?.has('immediate_address_space')) return 0;
  return (adapter.limits as unknown as { maxImmediateSize?: number }).maxImmediateSize ?? 0;
}

/**
 * Opens a device on an adapter, with all optional features the kernels know and the adapter's own limits.
 * Works in browsers and on Dawn.
 *
 * @param gpu the entry point that gave the adapter: `navigator.gpu`, or Dawn's instance.
 * @throws OperationError of WebGPU when the adapter gives no device.
 */
export async function createDevice(gpu: GPU, adapter: GPUAdapter, options: DeviceOptions = {}): Promise<Device> {
  const without = new Set(options.without ?? []);
  const features = wantedFeatures.filter((name) => adapter.features.has(name as GPUFeatureName) && !without.has(name));
  const immediates = options.immediates === false ? 0 : immediateSize(gpu, adapter);
  const all = readCapabilities(adapter, immediates);
  const requiredLimits: Record<string, number> = {};
  for (const name of limitNames) if (name.startsWith('max')) requiredLimits[name] = adapter.limits[name];
  if (immediates > 0) requiredLimits.maxImmediateSize = immediates;
  const device = await adapter.requestDevice({
    requiredFeatures: features as unknown as GPUFeatureName[],
    requiredLimits,
  });
  const has = (name: (typeof wantedFeatures)[number]) => features.includes(name);
  return new Device(
    device,
    {
      ...all,
      features,
      subgroups: has('subgroups'),
      subgroupSize: has('subgroups') ? all.subgroupSize : [1, 1],
      f16: has('shader-f16'),
      timestamps: has('timestamp-query'),
      matrixConfigurations: has('chromium-experimental-subgroup-matrix') ? all.matrixConfigurations : [],
      // The device's, not the adapter's: alignments stay at the default unless they are asked for.
      limits: { ...readLimits(device.limits), ...options.limits },
    },
    options,
  );
}
