// Buffers with two lifetimes: persistent (weights, optimizer state, data sets) and step (everything in between).
import { formatBytes } from './byte-sizes';
import type { Capabilities } from './capabilities';
import { InputError, OutOfMemoryError } from './errors';

/** One GPU buffer with an identity (for caches) and a reference count (for its return). */
export interface Storage {
  /** Unique within its device. */
  readonly id: number;
  /** WebGPU's own buffer. */
  readonly buffer: GPUBuffer;
  /** Allocated bytes; at least what was asked for. */
  readonly size: number;
  /** What a persistent buffer is for now; `step` for what belongs to the steps. Managed by {@link Memory}. */
  purpose: string;
  /** Whether it comes from the pool and returns to it. */
  readonly pooled: boolean;
  /** Scopes and tape nodes that still need the contents. Managed by {@link Memory}. */
  references: number;
  /** Serial of the last command batch that used the buffer. Managed by the recorder. */
  lastUse: number;
  /** The size class that a step buffer in use was asked for. Managed by {@link Memory}. */
  asked: number;
  /** When a step buffer last came back to the pool. Managed by {@link Memory}. */
  returned: number;
  /** Captured steps that use it. Managed by the recorder. */
  pins: number;
}

/** A byte range of a buffer: what kernels bind. */
export interface BufferSlice {
  /** The buffer. */
  readonly storage: Storage;
  /** First byte, a multiple of `minStorageBufferOffsetAlignment` where a kernel binds the slice. */
  readonly offset: number;
  /** Bytes, more than 0. */
  readonly size: number;
}

/** Bytes on the device by purpose. */
export interface MemoryReport {
  /** Bytes of persistent buffers by purpose. */
  readonly persistent: Readonly<Record<string, number>>;
  /**
   * Bytes that steps need now, in classes of size, and needed at most; and those that wait for reuse, with what buffers in
   * use have too much.
   */
  readonly step: { readonly current: number; readonly peak: number; readonly pooled: number };
  /** Everything that is allocated on the device now, the pool included. */
  readonly total: number;
  /** The most that was allocated, the pool included, and what it was for; the steps' part is `step`. */
  readonly peak: { readonly total: number; readonly purposes: Readonly<Record<string, number>> };
}

const usage = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST, spelled out: the constants exist only in browsers.

/**
 * Rounds a request up to its size class, so that buffers of varying batches are found again in the pool: four classes
 * per power of two from 1 KiB on, where at most a fifth of a buffer is unused, and multiples of 256 bytes below.
 */
export function sizeClass(bytes: number): number {
  const minimum = 256;
  if (bytes <= minimum) return minimum;
  const octave = bytes < 2 ** 31 ? 1 << (31 - Math.clz32(bytes)) : 2 ** Math.floor(Math.log2(bytes));
  const quarter = Math.max(minimum, octave / 4);
  return Math.ceil(bytes / quarter) * quarter;
}

/**
 * What all step buffers may take, waiting ones included, as a multiple of the most that were ever in use. Batches of
 * other lengths want other sizes; without a bound the pool comes to hold a set for every length. Measured on a training
 * of prompts of 250 to 330 tokens, before requests kept their buffers: 1.25 kept 135 MB instead of 229 MB for a peak of
 * 108 MB.
 */
const poolSlack = 1.25;

/**
 * Bytes of step buffers that may be kept in any case. A server's steps alternate between kinds of other sizes, prefixes
 * and candidates; where both are small, the pool should hold all of them: a bound of {@link poolSlack} alone made 16
 * buffers and 100 bind groups anew for every answer of the demo's model, and what the driver had not yet freed of them
 * took up to 250 MB.
 */
const poolFloor = 64 * 2 ** 20;

/**
 * A request gets the buffer that it had in the last step if that is at most this many times its size class: prompts of
 * one training differ less, and steps of another kind should not take what is far too large.
 */
const planSlack = 8;

/** A group of step buffers that end together. Close in reverse order of opening. */
export interface Scope {
  /** Returns every buffer of the scope, except `keep`, which move to the enclosing scope. */
  close(keep?: Iterable<Storage>): void;
}

class ScopeRecord implements Scope {
  readonly storages = new Set<Storage>();

  constructor(private readonly memory: Memory) {}

  close(keep: Iterable<Storage> = []): void {
    this.memory.closeScope(this, keep);
  }
}

/** What {@link Memory} needs of the recorder: never to destroy a buffer that a pending command uses. */
export interface PendingCommands {
  /** Destroys a buffer, and what is cached for it, behind the commands that use it. */
  discard(storage: Storage): void;
  /** Fills a buffer with NaN. */
  poison(slice: BufferSlice): void;
  /**
   * Ends the captured steps that use a buffer, or all captured steps of the device, so that they pin nothing any more.
   */
  endPrograms(storage?: Storage): void;
}

/**
 * Owns all buffers of a device.
 *
 * Step buffers come from a pool of size classes and return to it when their scope has closed and no tape node holds
 * them; commands run in submission order, so a buffer may be reused at once. Each has a `GPUBuffer` of its own:
 * WebGPU forbids to read and write two ranges of one buffer in a dispatch.
 *
 * The n-th request of a step gets the buffer that the n-th request of the last step had, where that waits and is large
 * enough. Steps of a training ask for the same tensors in the same order, of lengths that differ; so after the longest
 * batch every step works on the same buffers, and its bind groups are found again.
 */
export class Memory {
  /** Waiting step buffers by size. */
  readonly #pool = new Map<number, Set<Storage>>();
  /** The buffers of the last step by number of the request, as far as this step has not replaced them by its own. */
  readonly #plan: Storage[] = [];
  /** Requests of this step so far. */
  #requests = 0;
  readonly #scopes: ScopeRecord[] = [];
  readonly #persistent = new Map<string, number>();
  /** Debug mode: where each buffer in use was asked for. */
  readonly #origins: Map<Storage, string> | null;
  #nextId = 1;
  #current = 0;
  #peak = 0;
  #mostAllocated: MemoryReport['peak'] = { total: 0, purposes: {} };
  /** Bytes of all step buffers. */
  #allocated = 0;
  #returns = 0;
  /** The value of `#returns` when the step began. */
  #returnsBefore = 0;

  /**
   * @param budget most bytes that all buffers together may take; `Infinity` leaves it to the driver.
   */
  constructor(
    private readonly gpu: GPUDevice,
    private readonly capabilities: Capabilities,
    private readonly pending: PendingCommands,
    readonly budget: number = Number.POSITIVE_INFINITY,
    debug = false,
  ) {
    this.#origins = debug ? new Map() : null;
  }

  /**
   * Allocates a buffer that lives until {@link free}; its contents start as zero.
   *
   * @param purpose the line under which {@link report} counts it, e.g. `weights`.
   * @throws OutOfMemoryError with the sizes when it exceeds the budget or the adapter's largest buffer.
   */
  persistent(bytes: number, purpose: string): BufferSlice {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const storage = this.#create(size, purpose, false);
    this.#count(purpose, size);
    this.#remember(storage);
    return { storage, offset: 0, size };
  }

  /**
   * Allocates a step buffer in the innermost scope. Its contents are undefined.
   *
   * @throws InputError when no scope is open.
   */
  allocate(bytes: number): BufferSlice {
    const scope = this.#scopes.at(-1);
    if (scope === undefined)
      throw new InputError('step memory was asked for outside a step: open one with device.step()');
    const needed = Math.max(4, Math.ceil(bytes / 4) * 4);
    const size = sizeClass(needed);
    const storage = this.#planned(size) ?? this.#take(size) ?? this.#createPooled(size, 'step');
    this.#plan[this.#requests++] = storage;
    scope.storages.add(storage);
    storage.asked = size;
    this.#current += size;
    this.#peak = Math.max(this.#peak, this.#current);
    return this.#handOut(storage, needed);
  }

  /**
   * Takes a buffer from the pool, or allocates one, until {@link free} brings it back: for what outlives a step but comes
   * and goes all the time, such as the keys and values of one user's prompt. Its contents are undefined.
   *
   * @param purpose the line under which {@link report} counts it meanwhile.
   * @throws OutOfMemoryError as {@link persistent}.
   */
  borrow(bytes: number, purpose: string): BufferSlice {
    const needed = Math.max(4, Math.ceil(bytes / 4) * 4);
    const size = sizeClass(needed);
    const storage = this.#take(size, true) ?? this.#createPooled(size, purpose);
    storage.purpose = purpose;
    this.#allocated -= storage.size;
    this.#count(purpose, storage.size);
    return this.#handOut(storage, needed);
  }

  /** A buffer of the pool for its new holder; in debug mode, without a trace of the one before. */
  #handOut(storage: Storage, size: number): BufferSlice {
    storage.references = 1;
    this.#remember(storage);
    const slice = { storage, offset: 0, size };
    if (this.#origins) this.pending.poison(slice);
    return slice;
  }

  /** Opens a scope inside the innermost one; step buffers that are allocated from now on belong to it. */
  openScope(): Scope {
    if (this.#scopes.length === 0) {
      this.#plan.length = this.#requests;
      this.#requests = 0;
      this.#returnsBefore = this.#returns;
    }
    const scope = new ScopeRecord(this);
    this.#scopes.push(scope);
    return scope;
  }

  /** Number of open scopes. */
  get depth(): number {
    return this.#scopes.length;
  }

  /**
   * Adds a holder to a step buffer, e.g. a tape node that needs it in the backward pass. Persistent buffers are not
   * counted.
   */
  retain(storage: Storage): void {
    if (storage.purpose === 'step') storage.references++;
  }

  /** Takes a holder away; the last one returns a step buffer to the pool. Persistent buffers are not counted. */
  release(storage: Storage): void {
    if (storage.purpose !== 'step') return;
    storage.references--;
    if (storage.references > 0) return;
    if (storage.references < 0) throw new Error('a step buffer was released more often than retained');
    this.#origins?.delete(storage);
    this.#current -= storage.asked;
    this.#return(storage);
  }

  #return(storage: Storage): void {
    storage.returned = this.#returns++;
    const free = this.#pool.get(storage.size);
    if (free) free.add(storage);
    else this.#pool.set(storage.size, new Set([storage]));
  }

  /** Destroys a persistent buffer, where a second call does nothing, or returns a borrowed one to the pool. */
  free({ storage }: BufferSlice): void {
    if (storage.purpose === 'step') throw new Error('step buffers are returned by their scope, not freed');
    if (storage.references === 0) return;
    storage.references = 0;
    this.#origins?.delete(storage);
    this.pending.endPrograms(storage);
    this.#count(storage.purpose, -storage.size);
    if (!storage.pooled) {
      this.#destroy(storage);
      return;
    }
    storage.purpose = 'step';
    this.#allocated += storage.size;
    this.#return(storage);
    this.#shrinkPool(() => this.#allocated > this.#mostKept(this.#current));
  }

  #count(purpose: string, bytes: number): void {
    this.#persistent.set(purpose, (this.#persistent.get(purpose) ?? 0) + bytes);
  }

  /** Turns a hold into one of the innermost scope, which returns the buffer at its end. */
  adopt(storage: Storage): void {
    if (storage.purpose !== 'step') return;
    const scope = this.#scopes.at(-1);
    if (scope === undefined) throw new Error('a step buffer was kept beyond its step');
    // The scope may hold the buffer already; then two holds become one.
    if (scope.storages.has(storage)) this.release(storage);
    else scope.storages.add(storage);
  }

  /** Gives the innermost scope's hold on a buffer up early, e.g. an operation's workspace. */
  releaseEarly(slice: BufferSlice): void {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      if (this.#scopes[i]!.storages.delete(slice.storage)) {
        this.release(slice.storage);
        return;
      }
    }
  }

  /** Takes a buffer out of the pool. @returns whether it was there. */
  #claim(storage: Storage): boolean {
    return this.#pool.get(storage.size)?.delete(storage) ?? false;
  }

  /** The buffer that this request had in the last step, if it suits and waits. */
  #planned(size: number): Storage | undefined {
    const storage = this.#plan[this.#requests];
    if (!storage || storage.size < size || storage.size > planSlack * size) return undefined;
    return this.#claim(storage) ? storage : undefined;
  }

  /**
   * A waiting buffer of the class `size`, or of one of the two above it, which is better than one more; of several the one
   * with the lowest number, whatever the order of their return.
   *
   * @param lasting leaves out what captured steps use: they would overwrite what outlives steps.
   */
  #take(size: number, lasting = false): Storage | undefined {
    for (let each = size, distance = 0; distance <= 2; each = sizeClass(each + 1), distance++) {
      let found: Storage | undefined;
      for (const storage of this.#pool.get(each) ?? []) {
        if (lasting && storage.pins > 0) continue;
        if (!found || storage.id < found.id) found = storage;
      }
      if (found && this.#claim(found)) return found;
    }
    return undefined;
  }

  #createPooled(size: number, purpose: string): Storage {
    const most = this.#mostKept(this.#current + size);
    // What this step has used already, the next one will want.
    this.#shrinkPool(() => this.#allocated + size > most, this.#returnsBefore);
    const storage = this.#create(size, purpose, true);
    this.#allocated += size;
    return storage;
  }

  /** Bytes that all step buffers together may take when `needed` are in use. */
  #mostKept(needed: number): number {
    return Math.max(poolFloor, poolSlack * Math.max(this.#peak, needed));
  }

  /**
   * Destroys buffers that wait since before the return `until`, the longest waiting first, while `tooMuch`. Those that
   * captured steps use stay.
   */
  #shrinkPool(tooMuch: () => boolean, until = Number.POSITIVE_INFINITY): void {
    while (tooMuch()) {
      let oldest: Storage | undefined;
      for (const waiting of this.#pool.values()) {
        for (const storage of waiting) {
          if (storage.pins > 0) continue;
          // A set is in the order of return.
          if (storage.returned < (oldest?.returned ?? until)) oldest = storage;
          break;
        }
      }
      if (!oldest) return;
      this.#claim(oldest);
      this.#allocated -= oldest.size;
      this.#destroy(oldest);
    }
  }

  /**
   * Destroys the buffers that wait in the pool, e.g. between two phases of different shapes, but for those that captured
   * steps use.
   */
  trim(): void {
    this.#shrinkPool(() => true);
    for (const [size, waiting] of this.#pool) if (waiting.size === 0) this.#pool.delete(size);
  }

  /**
   * Buffers in use, for finding what was not freed: persistent ones, and step buffers that outlived their step.
   *
   * @returns purpose, bytes and the stack of the request; empty unless the device was opened with `debug`.
   */
  leaks(): { purpose: string; bytes: number; origin: string }[] {
    return [...(this.#origins ?? [])].map(([{ purpose, size }, origin]) => ({ purpose, bytes: size, origin }));
  }

  #remember(storage: Storage): void {
    if (this.#origins) this.#origins.set(storage, new Error('requested here').stack ?? '');
  }

  /** Starts a new measurement of both peaks: of the steps, and of everything. */
  resetPeak(): void {
    this.#peak = this.#current;
    const { persistent, total } = this.report();
    this.#mostAllocated = { total, purposes: this.#purposes(persistent) };
  }

  /** Bytes that are allocated now, by purpose. */
  report(): MemoryReport {
    const persistent = Object.fromEntries([...this.#persistent].filter(([, bytes]) => bytes > 0));
    const sum = Object.values(persistent).reduce((a, b) => a + b, 0);
    return {
      persistent,
      step: { current: this.#current, peak: this.#peak, pooled: this.#allocated - this.#current },
      total: sum + this.#allocated,
      peak: this.#mostAllocated,
    };
  }

  /**
   * Closes `scope` and every scope inside it that an exception left open. Does nothing when it is closed already.
   * @internal
   */
  closeDownTo(scope: Scope): void {
    if (!this.#scopes.includes(scope as ScopeRecord)) return;
    while (this.#scopes.length > 0) {
      const innermost = this.#scopes.at(-1)!;
      innermost.close();
      if (innermost === scope) return;
    }
  }

  /** @internal */
  closeScope(scope: ScopeRecord, keep: Iterable<Storage>): void {
    if (this.#scopes.at(-1) !== scope) throw new Error('memory scopes were not closed in reverse order of opening');
    this.#scopes.pop();
    const outer = this.#scopes.at(-1);
    for (const storage of keep) {
      if (!scope.storages.delete(storage)) continue; // Persistent, or owned further out: nothing to move.
      if (outer === undefined) throw new Error('a step buffer was kept beyond its step');
      outer.storages.add(storage);
    }
    for (const storage of scope.storages) this.release(storage);
  }

  #create(size: number, purpose: string, pooled: boolean): Storage {
    const { limits } = this.capabilities;
    if (size > limits.maxBufferSize) {
      throw new OutOfMemoryError(
        `a buffer of ${formatBytes(size)} (${purpose}) exceeds the adapter's largest, ${formatBytes(limits.maxBufferSize)}`,
      );
    }
    // Before a request is refused, waiting buffers are destroyed; if that is not enough, all captured steps end, which
    // can be captured again. All of them: they share buffers, so which would free enough is not known.
    const exceeds = () => this.report().total + size > this.budget;
    this.#shrinkPool(exceeds);
    if (exceeds()) {
      this.pending.endPrograms();
      this.#shrinkPool(exceeds);
    }
    const { persistent, total } = this.report();
    if (total + size > this.budget) {
      const used = Object.entries(persistent).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`);
      throw new OutOfMemoryError(
        `${formatBytes(size)} for ${purpose} do not fit: ${formatBytes(total)} of ${formatBytes(this.budget)} are taken ` +
          `(${[...used, `step ${formatBytes(this.#allocated)}`].join(', ')})`,
      );
    }
    const buffer = this.gpu.createBuffer({ size, usage, label: purpose });
    if (total + size > this.#mostAllocated.total) {
      const purposes = this.#purposes(persistent);
      purposes[purpose] = (purposes[purpose] ?? 0) + size;
      this.#mostAllocated = { total: total + size, purposes };
    }
    return {
      id: this.#nextId++,
      buffer,
      size,
      purpose,
      pooled,
      references: 1,
      lastUse: -1,
      asked: size,
      returned: 0,
      pins: 0,
    };
  }

  /** Bytes by purpose, those of the steps among them. */
  #purposes(persistent: Readonly<Record<string, number>>): Record<string, number> {
    return { ...persistent, ...(this.#allocated > 0 && { step: this.#allocated }) };
  }

  #destroy(storage: Storage): void {
    this.pending.discard(storage);
  }
}
