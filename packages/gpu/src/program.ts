// A captured step: what it recorded, kept so that it is encoded again without the code that recorded it.
import { InputError } from './errors';
import type { KernelDeclaration, StepValue } from './kernel';
import { numberOf, packParameter, packParameters } from './kernel';
import type { BufferSlice, Storage } from './memory';
import type { Pipeline } from './pipelines';

/** A parameter that every replay reads anew. */
interface ChangingWord {
  readonly name: string;
  readonly value: StepValue;
  readonly offset: number;
}

/** One run of a kernel, ready to be encoded. */
export interface DispatchCommand {
  readonly kind: 'dispatch';
  readonly declaration: KernelDeclaration;
  readonly pipeline: Pipeline;
  readonly group: GPUBindGroup;
  readonly storages: readonly Storage[];
  readonly x: number;
  readonly y: number;
  /** Its parameters. */
  readonly words: DataView<ArrayBuffer>;
  readonly changing: readonly ChangingWord[];
}

/** What the recorder encodes, beside writes and reads of the host. */
export type Command =
  | DispatchCommand
  | { readonly kind: 'copy'; readonly source: BufferSlice; readonly target: BufferSlice }
  | { readonly kind: 'clear' | 'poison'; readonly slice: BufferSlice };

/** Parameters in words of their own. @throws Error as `packParameters` */
export function packedParameters(
  declaration: KernelDeclaration,
  values: Readonly<Record<string, number | StepValue>>,
): Pick<DispatchCommand, 'words' | 'changing'> {
  const names = Object.keys(declaration.parameters);
  const words = new DataView(new ArrayBuffer(4 * names.length));
  packParameters(declaration, values, words, 0);
  const changing = names.flatMap((name, i): ChangingWord[] => {
    const value = values[name]!;
    return typeof value === 'number' ? [] : [{ name, value, offset: 4 * i }];
  });
  return { words, changing };
}

/** Writes the numbers of this step into the parameters of a dispatch. @throws Error as `packParameters` */
export function updateParameters({ declaration, words, changing }: DispatchCommand): void {
  for (const { name, value, offset } of changing) packParameter(declaration, name, numberOf(value), words, offset);
}

function storagesOf(command: Command): readonly Storage[] {
  if (command.kind === 'dispatch') return command.storages;
  return command.kind === 'copy' ? [command.source.storage, command.target.storage] : [command.slice.storage];
}

/**
 * The commands of a captured step. Buffers of the pool that they use are pinned until {@link drop}: other steps may use
 * them, since nothing of a step lives on, but they are neither destroyed nor lent to what does.
 */
export class CapturedCommands {
  readonly list: Command[] = [];
  readonly #storages = new Set<Storage>();
  #end: string | null = null;

  constructor(private readonly onEnd: (ended: CapturedCommands) => void) {}

  /** Why they cannot be replayed; null while they can. */
  get end(): string | null {
    return this.#end;
  }

  add(command: Command): void {
    if (this.#end !== null) return;
    this.list.push(command);
    for (const storage of storagesOf(command)) {
      if (this.#storages.has(storage)) continue;
      this.#storages.add(storage);
      storage.pins++;
    }
  }

  uses(storage: Storage): boolean {
    return this.#storages.has(storage);
  }

  /** Drops them all, and the pins. A second call does nothing. */
  drop(reason: string): void {
    if (this.#end !== null) return;
    this.#end = reason;
    this.list.length = 0;
    for (const storage of this.#storages) storage.pins--;
    this.#storages.clear();
    this.onEnd(this);
  }
}

/** The captured steps of a device. */
export class Captures {
  /** The one that is being captured. */
  #open: CapturedCommands | null = null;
  readonly #live = new Set<CapturedCommands>();

  get isCapturing(): boolean {
    return this.#open !== null;
  }

  /** Notes a command, if a step is being captured. */
  note(command: Command): void {
    this.#open?.add(command);
  }

  /** Stops capturing, if a step is being captured: what it does cannot be replayed. */
  giveUp(reason: string): void {
    this.#open?.drop(reason);
  }

  /** @throws InputError inside another capture; what `record` throws, with nothing kept. */
  capture(record: () => void): CapturedCommands {
    if (this.#open) throw new InputError('a step is captured inside a captured step: capture one at a time');
    const commands = new CapturedCommands((ended) => this.#live.delete(ended));
    this.#open = commands;
    this.#live.add(commands);
    try {
      record();
      return commands;
    } catch (error) {
      commands.drop('it was not recorded to its end');
      throw error;
    } finally {
      this.#open = null;
    }
  }

  /** Ends those that use a buffer, or all. */
  endAll(storage?: Storage): void {
    const reason = storage ? 'a buffer that it uses was freed' : 'its memory was needed for something else';
    for (const commands of this.#live) if (storage === undefined || commands.uses(storage)) commands.drop(reason);
  }
}

/**
 * A step that can be run again without the code that recorded it: made by `Device.capture`. It holds the memory that the
 * step used, which other steps use meanwhile, until it is disposed of.
 */
export class Program<T = unknown> implements Disposable {
  /** @internal */
  constructor(
    private readonly commands: CapturedCommands,
    private readonly record: (commands: CapturedCommands, submit: boolean) => void,
    /**
     * What the captured function returned. Tensors of the step in it hold its results after each replay, until anything
     * else is recorded: read them at once.
     */
    readonly result: T,
  ) {}

  /**
   * Whether it can be replayed. It cannot from the start if the step wrote from the host or read something. It ends when it
   * is disposed of, when a buffer that it uses is freed, and when the memory that it holds is needed for what would be
   * refused otherwise.
   */
  get isLive(): boolean {
    return this.commands.end === null;
  }

  /**
   * Records the step again: the same kernels on the same buffers, with the present numbers of all `StepValue`s. No memory
   * is allocated, and no bind group is made.
   *
   * @param submit as of `Device.step`.
   * @throws InputError saying why it is not live; inside a step, whose memory it would overwrite, and inside a capture;
   * DeviceLostError.
   */
  replay(submit = true): void {
    const { end } = this.commands;
    if (end !== null) throw new InputError(`a captured step cannot be replayed: ${end}; look at isLive first`);
    this.record(this.commands, submit);
  }

  /** Gives the memory back to the pool. It cannot be replayed any more. */
  [Symbol.dispose](): void {
    this.commands.drop('it was disposed of');
  }
}
