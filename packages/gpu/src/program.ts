// A captured step: the commands that it recorded, kept so that they can be encoded again without running its code.
import { InputError } from './errors';
import type { KernelDeclaration, StepValue } from './kernel';
import { numberOf, packParameter, packParameters } from './kernel';
import type { BufferSlice, Storage } from './memory';
import type { Pipeline } from './pipelines';

/** A parameter whose number each replay reads again. */
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

/** What the recorder encodes, except for writes and reads by the host. */
export type Command =
  | DispatchCommand
  | { readonly kind: 'copy'; readonly source: BufferSlice; readonly target: BufferSlice }
  | { readonly kind: 'clear' | 'poison'; readonly slice: BufferSlice };

/** The parameters of one dispatch, in a buffer of their own. @throws Error as `packParameters` */
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

/**
 * Writes the current numbers of its `StepValue`s into the parameters of a dispatch. @throws Error as `packParameters`
 */
export function updateParameters({ declaration, words, changing }: DispatchCommand): void {
  for (const { name, value, offset } of changing) packParameter(declaration, name, numberOf(value), words, offset);
}

function storagesOf(command: Command): readonly Storage[] {
  if (command.kind === 'dispatch') return command.storages;
  return command.kind === 'copy' ? [command.source.storage, command.target.storage] : [command.slice.storage];
}

/**
 * The commands of a captured step. The pool's buffers that they use are pinned until {@link drop}: other steps may use
 * them, since a step leaves nothing in them, but they are not destroyed, and not lent to anything that outlives a step.
 */
export class CapturedCommands {
  readonly list: Command[] = [];
  readonly #storages = new Set<Storage>();
  #end: string | null = null;
  #usesHost = false;

  constructor(private readonly onEnd: (ended: CapturedCommands) => void) {}

  /** Why they cannot be replayed; null while they can. */
  get end(): string | null {
    return this.#end;
  }

  /** Whether they ended because the step itself wrote from the host or read: captured again, it would do the same. */
  get usesHost(): boolean {
    return this.#usesHost;
  }

  /** Notes that the step writes from the host or reads, and ends them. */
  refuse(reason: string): void {
    this.#usesHost = true;
    this.drop(reason);
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

  /** Ends them: forgets all commands and unpins their buffers. A second call does nothing. */
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
  /** Those of the step that is being captured. */
  #open: CapturedCommands | null = null;
  readonly #live = new Set<CapturedCommands>();

  get isCapturing(): boolean {
    return this.#open !== null;
  }

  /** Notes a command, if a step is being captured. */
  note(command: Command): void {
    this.#open?.add(command);
  }

  /** Told that the host writes or reads: a step that is being captured cannot be replayed then. */
  refuse(reason: string): void {
    this.#open?.refuse(reason);
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

  /** Ends those that use a buffer, or all of them. */
  endAll(storage?: Storage): void {
    const reason = storage ? 'a buffer that it uses was freed' : 'its memory was needed for something else';
    for (const commands of this.#live) if (storage === undefined || commands.uses(storage)) commands.drop(reason);
  }
}

/**
 * A step that can be run again without the code that recorded it: made by `Device.capture`. Until it is disposed of, it
 * keeps the memory that the step used from being freed; other steps use that memory between replays.
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
   * Whether it can be replayed. A program never can if its step {@link usesHost}. Others end when they are disposed of,
   * when a buffer that they use is freed, and when memory is short: before a request is refused for the budget, all
   * programs of the device end at once. Such a step can be captured again.
   */
  get isLive(): boolean {
    return this.commands.end === null;
  }

  /**
   * Whether the step itself wrote from the host or read something, so that capturing it again gives no live program
   * either.
   */
  get usesHost(): boolean {
    return this.commands.usesHost;
  }

  /**
   * Records the step again: the same kernels on the same buffers, with the current numbers of all `StepValue`s. No
   * memory is allocated, and no bind group is made. A replay that throws has recorded nothing.
   *
   * @param submit as of `Device.step`.
   * @throws InputError saying why it is not live; inside a step, whose memory it would overwrite, and inside a capture;
   * Error for a `StepValue` that its parameter cannot hold; ValidationError for a kernel that did not compile;
   * DeviceLostError.
   */
  replay(submit = true): void {
    const { end } = this.commands;
    if (end !== null) throw new InputError(`a captured step cannot be replayed: ${end}; look at isLive first`);
    this.record(this.commands, submit);
  }

  /** Gives the memory back to the pool. The program cannot be replayed afterwards. */
  [Symbol.dispose](): void {
    this.commands.drop('it was disposed of');
  }
}
