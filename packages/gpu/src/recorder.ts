// Encodes dispatches into few passes and submits; the only place that talks to the queue.
import { BindGroupCache } from './bind-groups';
import type { Capabilities } from './capabilities';
import { CommandGate } from './command-gate';
import { DeviceLostError, InputError, ValidationError } from './errors';
import type { DispatchArguments, Kernel, KernelDeclaration } from './kernel';
import { packParameters } from './kernel';
import type { BufferSlice, PendingCommands, Storage } from './memory';
import type { CompileProgress, Pipeline } from './pipelines';
import { PipelineCache } from './pipelines';
import type { Constants } from './preprocess';
import type { DispatchTime, Profiler } from './profiler/profiler';
import type { CapturedCommands, Command, DispatchCommand } from './program';
import { Captures, packedParameters, updateParameters } from './program';
import { Timestamps } from './timestamps';
import type { Wait } from './wait';

/** Dispatches per submit: enough to make the cost of a submit vanish, few enough to keep the device busy early. */
const batchSize = 192;
const uniformStride = 256;
/**
 * Bytes per write to the queue: Dawn stages small ones in memory that it has, larger ones in pages that are new each
 * time.
 */
const writeBytes = 2 ** 18;
/** Bytes of NaN that {@link Recorder.poison} copies at a time. */
const poisonBytes = 2 ** 20;
const usageMapRead = 0x01;
const usageCopySource = 0x04;
const usageCopyTarget = 0x08;
const usageUniform = 0x40;

/**
 * Records GPU work in order. Nothing runs before a flush, which happens by itself after a fixed number of dispatches
 * and before reads; results are in order whatever the batching.
 */
export class Recorder implements PendingCommands {
  /** Set by `profiler.attach(device)`, to measure dispatches by timestamps (one pass each, so slower); null is off. */
  profiler: Profiler | null = null;

  readonly #pipelines: PipelineCache;
  readonly #gate = new CommandGate();
  readonly #bindGroups: BindGroupCache;
  /** The slices of a dispatch, in the order of its pipeline's bindings. */
  readonly #slices: BufferSlice[] = [];
  readonly #words: DataView<ArrayBuffer>;
  readonly #uniforms: GPUBuffer | null;
  readonly #timestamps: Timestamps | null;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #pipeline: GPUComputePipeline | null = null;
  #dispatches = 0;
  #serial = 0;
  #error: Error | null = null;
  #dispatchCount = 0;
  #poison: GPUBuffer | undefined;
  readonly #captures = new Captures();

  constructor(
    private readonly gpu: GPUDevice,
    private readonly capabilities: Capabilities,
    private readonly wait: Wait = (promise) => promise,
    exactBindings = false,
  ) {
    const immediates = capabilities.immediateSize >= 64;
    this.#pipelines = new PipelineCache(gpu, immediates, () => this.profiler);
    // One block of parameters per dispatch of a batch; with immediates only the first is used, as scratch.
    this.#words = new DataView(new ArrayBuffer(immediates ? uniformStride : uniformStride * batchSize));
    this.#uniforms = immediates
      ? null
      : gpu.createBuffer({
          size: uniformStride * batchSize,
          usage: usageUniform | usageCopyTarget,
          label: 'parameters',
        });
    this.#bindGroups = new BindGroupCache(gpu, capabilities.limits, this.#uniforms, exactBindings);
    this.#timestamps = capabilities.timestamps ? new Timestamps(gpu, wait, batchSize) : null;
  }

  /** Bind groups that are kept for reuse, and the references to them by buffer; for tests. @internal */
  get cachedBindGroups(): { groups: number; references: number } {
    return this.#bindGroups.kept;
  }

  /** Dispatches recorded since the device was opened. */
  get dispatchCount(): number {
    return this.#dispatchCount;
  }

  /** Bind groups made since the device was opened: those that were not found among the ones kept for reuse. */
  get bindGroupCount(): number {
    return this.#bindGroups.made;
  }

  /** Called by the device when it is lost or an asynchronous error arrives; the next use throws it. */
  fail(error: Error): void {
    // Loss explains everything that follows, so it replaces an earlier message; otherwise the first error is the cause.
    if (this.#error === null || (error instanceof DeviceLostError && !(this.#error instanceof DeviceLostError))) {
      this.#error = error;
    }
  }

  /**
   * Records one run of a kernel.
   *
   * @throws InputError when a slice breaks a limit or aliases another, for a constant that the kernel does not declare or
   * of another type, and for a feature that the device lacks; DeviceLostError, ValidationError for earlier failures.
   */
  dispatch<D extends KernelDeclaration>(kernel: Kernel<D>, args: DispatchArguments<D>): void {
    if (args.workgroups === 0) return;
    this.#check();
    const held = this.#gate.isClosed;
    const { declaration } = kernel;
    const pipeline = this.#pipelines.get(kernel, args.constants as Constants | undefined, held);
    const slices = this.#slicesOf(pipeline, args.bindings as Readonly<Record<string, BufferSlice | undefined>>);
    const group = this.#bindGroups.get(pipeline, slices);
    const [x, y] = this.#fold(pipeline.name, args.workgroups);
    if (held || this.#captures.isCapturing) {
      const storages = slices.map(({ storage }) => storage);
      const parameters = packedParameters(declaration, args.parameters);
      this.#run({ kind: 'dispatch', declaration, pipeline, group, storages, x, y, ...parameters });
      return;
    }
    packParameters(declaration, args.parameters, this.#words, this.#wordsAt);
    this.#dispatchCount++;
    this.#encode(pipeline, group, x, y, this.#timing(pipeline));
  }

  #timing({ name }: Pipeline): DispatchTime | null {
    return this.profiler?.dispatch(name, this.#timestamps !== null) ?? null;
  }

  /** Carries a command out, now or behind those that are held back, and notes it where a step is captured. */
  #run(command: Command): void {
    this.#captures.note(command);
    if (command.kind !== 'dispatch') {
      this.#gate.run(() => this.#carryOut(command));
      return;
    }
    this.#dispatchCount++;
    const timed = this.#timing(command.pipeline);
    this.#gate.run(() => this.#carryOutDispatch(command, timed));
  }

  #carryOutDispatch({ pipeline, group, storages, x, y, words }: DispatchCommand, timed: DispatchTime | null): void {
    for (const storage of storages) storage.lastUse = this.#serial;
    const at = this.#wordsAt;
    for (let i = 0; i < words.byteLength; i += 4) this.#words.setUint32(at + i, words.getUint32(i, true), true);
    this.#encode(pipeline, group, x, y, timed);
  }

  /** Where the parameters of the next dispatch stand in `#words`. */
  get #wordsAt(): number {
    return this.#uniforms === null ? 0 : this.#dispatches * uniformStride;
  }

  /** Encodes a dispatch whose parameters stand at `#wordsAt`. */
  #encode(
    { pipeline, parameterBytes }: Pipeline,
    group: GPUBindGroup,
    x: number,
    y: number,
    timed: DispatchTime | null,
  ): void {
    // It failed to compile ahead, and whoever waited for that was told.
    if (pipeline === undefined) return;
    const pass = this.#openPass(timed);
    if (this.#pipeline !== pipeline) {
      pass.setPipeline(pipeline);
      this.#pipeline = pipeline;
    }
    if (parameterBytes === 0) pass.setBindGroup(0, group);
    else if (this.#uniforms === null) {
      pass.setImmediates(0, this.#words.buffer, 0, parameterBytes);
      pass.setBindGroup(0, group);
    } else pass.setBindGroup(0, group, [this.#wordsAt]);
    pass.dispatchWorkgroups(x, y);
    if (timed) this.#closePass();
    if (++this.#dispatches === batchSize) this.#submit();
  }

  #carryOut(command: Exclude<Command, DispatchCommand>): void {
    const encoder = this.#openEncoder();
    this.#closePass();
    if (command.kind === 'copy') {
      const { source, target } = command;
      encoder.copyBufferToBuffer(
        source.storage.buffer,
        source.offset,
        target.storage.buffer,
        target.offset,
        source.size,
      );
      source.storage.lastUse = this.#serial;
      target.storage.lastUse = this.#serial;
      return;
    }
    const { storage, offset, size } = command.slice;
    if (command.kind === 'clear') encoder.clearBuffer(storage.buffer, offset, size);
    else {
      for (let begin = 0; begin < storage.size; begin += poisonBytes) {
        const bytes = Math.min(poisonBytes, storage.size - begin);
        encoder.copyBufferToBuffer(this.#poison!, 0, storage.buffer, begin, bytes);
      }
    }
    storage.lastUse = this.#serial;
  }

  /** Notes what `record` records, while it is recorded as ever. @throws as {@link Captures.capture} @internal */
  capture(record: () => void): CapturedCommands {
    return this.#captures.capture(record);
  }

  /** Records captured commands again. @internal */
  replay({ list }: CapturedCommands): void {
    this.#check();
    if (this.#captures.isCapturing) throw new InputError('a captured step is replayed while another is captured');
    const held = this.#gate.isClosed;
    // Whatever may throw comes first, so that a replay that throws has recorded nothing.
    for (const command of list) {
      if (command.kind !== 'dispatch') continue;
      if (!held && command.pipeline.pipeline === undefined) {
        throw new ValidationError(`kernel ${command.pipeline.name} of a captured step did not compile`);
      }
      updateParameters(command);
    }
    for (const command of list) {
      if (command.kind !== 'dispatch') {
        if (held) this.#gate.run(() => this.#carryOut(command));
        else this.#carryOut(command);
        continue;
      }
      this.#dispatchCount++;
      const timed = this.#timing(command.pipeline);
      if (held) {
        // The next replay changes the words.
        const words = new DataView(command.words.buffer.slice(0));
        this.#gate.run(() => this.#carryOutDispatch({ ...command, words }, timed));
      } else this.#carryOutDispatch(command, timed);
    }
  }

  /** Ends the captured steps that use a buffer, or all of them. @internal */
  endPrograms(storage?: Storage): void {
    this.#captures.endAll(storage);
  }

  /**
   * Carries out what `record` records once all its kernels are compiled, which they are at the same time: for the first
   * step of a training, whose kernels would otherwise be compiled one after another. What others record meanwhile waits
   * behind it, and so does what they read. Results are the same.
   *
   * @param onProgress called with the number of compiled kernels and of all, at first with 0; never where all are compiled.
   * @throws ValidationError naming a kernel that does not compile, when the rest has been carried out; and what `record`
   *   throws.
   */
  compileAhead(record: () => void, onProgress?: CompileProgress): Promise<void> {
    return this.#gate.hold(record, () => {
      const compiling = this.#pipelines.compiling(onProgress);
      return compiling && this.#explained(compiling);
    });
  }

  /** Waits for kernels. As {@link #guard}, but what is rejected says enough. */
  async #explained(promise: Promise<void>): Promise<void> {
    using _ = this.profiler?.span('compile');
    try {
      await this.wait(promise);
    } catch (error) {
      await this.#lossOrMoment();
      this.#check();
      throw error;
    }
  }

  /** Copies `source` to `target` (equal sizes, different buffers). */
  copy(source: BufferSlice, target: BufferSlice): void {
    this.#check();
    if (source.size !== target.size) {
      throw new InputError(`copy: ${source.size} bytes do not fit a slice of ${target.size}`);
    }
    this.#run({ kind: 'copy', source, target });
  }

  /** Fills a slice with zero bytes. */
  clear(slice: BufferSlice): void {
    this.#check();
    this.#run({ kind: 'clear', slice });
  }

  /**
   * Fills a buffer with bits that are NaN as f16 and f32, and as an index beyond every table, so that a result which
   * depends on memory that nothing wrote shows. For debugging: it ends the pass.
   */
  poison(slice: BufferSlice): void {
    this.#check();
    if (this.#poison === undefined) {
      const poison = this.gpu.createBuffer({ size: poisonBytes, usage: usageCopySource, mappedAtCreation: true });
      new Uint8Array(poison.getMappedRange()).fill(0xff);
      poison.unmap();
      this.#poison = poison;
    }
    this.#run({ kind: 'poison', slice });
  }

  /**
   * Writes host data to the start of a slice, in order with everything recorded before.
   *
   * A step that does so cannot be replayed, since it would write the same data again.
   *
   * @throws InputError for more data than the slice takes.
   */
  write(slice: BufferSlice, data: ArrayBufferView): void {
    this.#check();
    this.#captures.refuse('it writes from the host: write before it, to persistent memory, as StepInputs does');
    if (data.byteLength > slice.size) {
      throw new InputError(`write: ${data.byteLength} bytes do not fit a slice of ${slice.size}`);
    }
    const given = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // The caller may change its data as soon as this returns.
    const bytes = this.#gate.isClosed ? given.slice() : given;
    this.#gate.run(() => {
      // Queue writes overtake commands that are not submitted yet.
      this.#submitIfUsing(slice.storage);
      for (let begin = 0; begin < bytes.length; begin += writeBytes) {
        let piece = bytes.subarray(begin, begin + writeBytes);
        if (piece.length % 4 !== 0) {
          const padded = new Uint8Array(Math.ceil(piece.length / 4) * 4);
          padded.set(piece);
          piece = padded;
        }
        this.gpu.queue.writeBuffer(slice.storage.buffer, slice.offset + begin, piece);
      }
    });
  }

  /** Reads a slice back. Waits for everything recorded before. A step that does so cannot be replayed. */
  async read(slice: BufferSlice): Promise<ArrayBuffer> {
    this.#captures.refuse('it reads: read after it, what the captured function returns');
    const size = Math.ceil(slice.size / 4) * 4;
    const staging = this.gpu.createBuffer({ size, usage: usageMapRead | usageCopyTarget, label: 'readback' });
    try {
      this.#check();
      this.#gate.run(() => {
        const encoder = this.#openEncoder();
        this.#closePass();
        encoder.copyBufferToBuffer(slice.storage.buffer, slice.offset, staging, 0, size);
        this.#submit();
      });
      if (this.#gate.isClosed) await this.#gate.opened;
      await this.#guard(staging.mapAsync(1));
      const data = staging.getMappedRange().slice(0, slice.size);
      staging.unmap();
      this.#check();
      return data;
    } finally {
      staging.destroy();
    }
  }

  /** Submits what is recorded. */
  flush(): void {
    this.#gate.run(() => this.#submit());
  }

  #submit(): void {
    if (this.#encoder === null) return;
    this.#closePass();
    const encoder = this.#encoder;
    const readTimes = this.#timestamps?.resolve(encoder);
    this.#encoder = null;
    const parameterBytes = this.#dispatches * uniformStride;
    this.#dispatches = 0;
    this.#serial++;
    if (this.#uniforms && parameterBytes > 0) {
      this.gpu.queue.writeBuffer(this.#uniforms, 0, this.#words.buffer, 0, parameterBytes);
    }
    this.gpu.queue.submit([encoder.finish()]);
    readTimes?.();
  }

  /** Submits and waits until the device is idle; errors of earlier commands surface here. */
  async synchronize(): Promise<void> {
    this.flush();
    if (this.#gate.isClosed) await this.#gate.opened;
    await this.#guard(this.gpu.queue.onSubmittedWorkDone());
    await this.#timestamps?.settle();
    this.#check();
  }

  #submitIfUsing(storage: Storage): void {
    if (storage.lastUse === this.#serial) this.#submit();
  }

  /** Destroys a buffer, and its bind groups, behind the commands that use it; captured steps that use it end. @internal */
  discard(storage: Storage): void {
    this.endPrograms(storage);
    this.#gate.run(() => {
      this.#submitIfUsing(storage);
      this.#bindGroups.forget(storage);
      storage.buffer.destroy();
    });
  }

  #check(): void {
    const error = this.#error;
    if (error === null) return;
    if (!(error instanceof DeviceLostError)) this.#error = null;
    throw error;
  }

  /** Loss is reported by another promise than what fails by it, which may settle a moment later. */
  async #lossOrMoment(): Promise<void> {
    await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 250))]);
  }

  /** Turns the failure of a pending operation into its cause where that is known. */
  async #guard<T>(promise: Promise<T>): Promise<T> {
    try {
      return await this.wait(promise);
    } catch (cause) {
      await this.#lossOrMoment();
      this.#check();
      throw new ValidationError(`the GPU did not finish: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
  }

  #fold(name: string, workgroups: number): [number, number] {
    const limit = this.capabilities.limits.maxComputeWorkgroupsPerDimension;
    if (!Number.isInteger(workgroups) || workgroups < 0) {
      throw new InputError(`kernel ${name}: ${workgroups} is not a number of workgroups`);
    }
    if (workgroups <= limit) return [workgroups, 1];
    const y = Math.ceil(workgroups / limit);
    if (y > limit)
      throw new InputError(`kernel ${name}: ${workgroups} workgroups exceed ${limit} × ${limit}`, {
        code: 'gpu.limit',
      });
    return [Math.ceil(workgroups / y), y];
  }

  /** The slices that a pipeline binds, noted as used by this batch. Good until the next call. */
  #slicesOf(pipeline: Pipeline, named: Readonly<Record<string, BufferSlice | undefined>>): readonly BufferSlice[] {
    const slices = this.#slices;
    slices.length = 0;
    for (const { name } of pipeline.bindings) {
      const slice = named[name];
      if (slice === undefined) throw new InputError(`kernel ${pipeline.name}: binding "${name}" is missing`);
      slice.storage.lastUse = this.#serial;
      slices.push(slice);
    }
    return slices;
  }

  #openEncoder(): GPUCommandEncoder {
    this.#encoder ??= this.gpu.createCommandEncoder();
    return this.#encoder;
  }

  /** @param timed a dispatch that is measured: it gets a pass of its own */
  #openPass(timed: DispatchTime | null): GPUComputePassEncoder {
    const encoder = this.#openEncoder();
    if (timed) this.#closePass();
    if (this.#pass) return this.#pass;
    this.#pipeline = null;
    this.#pass = encoder.beginComputePass(timed ? { timestampWrites: this.#timestamps!.writes(timed) } : undefined);
    return this.#pass;
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = null;
  }
}
