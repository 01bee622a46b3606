// Bind groups, made once for what they bind and kept for the next dispatch that binds the same.
import { formatBytes } from './byte-sizes';
import type { Capabilities } from './capabilities';
import { InputError } from './errors';
import type { BufferSlice, Storage } from './memory';
import type { Pipeline } from './pipelines';

const maximumGroups = 16_384;
/** Stands for the size of a binding that covers its whole buffer. */
const whole = -1;

/** A kept bind group. */
interface Entry {
  readonly hash: number;
  /** The pipeline's number, then buffer, offset and size of every binding. */
  readonly key: readonly number[];
  readonly group: GPUBindGroup;
}

/**
 * Makes bind groups and finds them again by pipeline, buffers and ranges.
 *
 * Buffers of the pool are bound whole, so a tensor of another length in the same buffer finds the same group: the pool
 * gives the same buffers to every step, and a training on prompts of any length soon makes no group any more. Kernels
 * take their extents from parameters, never from the length of a binding.
 */
export class BindGroupCache {
  /** Groups made since the device was opened. */
  made = 0;
  readonly #entries = new Map<number, Entry[]>();
  readonly #ofStorage = new Map<number, Set<Entry>>();
  /** The key that is looked for; what stands behind its end is of an earlier one. */
  readonly #key: number[] = [];

  /**
   * @param uniforms holds the parameters, where they are not immediates: one more binding, with an offset in each dispatch.
   * @param exact binds no more than each slice, so that a kernel that leaves one is stopped at its end.
   */
  constructor(
    private readonly gpu: GPUDevice,
    private readonly limits: Capabilities['limits'],
    private readonly uniforms: GPUBuffer | null,
    private readonly exact: boolean,
  ) {}

  /** Groups that are kept, and the references to them by buffer; for tests. */
  get kept(): { groups: number; references: number } {
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
    return {
      groups: sum([...this.#entries.values()].map(({ length }) => length)),
      references: sum([...this.#ofStorage.values()].map(({ size }) => size)),
    };
  }

  /**
   * The group that binds these slices, in the order of the pipeline's bindings.
   *
   * @throws InputError when a slice breaks a limit or aliases another.
   */
  get(pipeline: Pipeline, slices: readonly BufferSlice[]): GPUBindGroup {
    const key = this.#key;
    key[0] = pipeline.id;
    let length = 1;
    let hash = pipeline.id;
    for (const slice of slices) {
      const size = this.#size(slice);
      key[length] = slice.storage.id;
      key[length + 1] = slice.offset;
      key[length + 2] = size;
      hash = Math.imul(hash, 31) + slice.storage.id;
      hash = (Math.imul(hash, 31) + slice.offset + size) | 0;
      length += 3;
    }
    const found = this.#entries.get(hash);
    if (found) for (const entry of found) if (begins(key, entry.key)) return entry.group;
    return this.#make(pipeline, slices, hash);
  }

  /** Drops the groups of a buffer that goes away. */
  forget(storage: Storage): void {
    for (const entry of this.#ofStorage.get(storage.id) ?? []) {
      const { hash, key } = entry;
      const others = this.#entries.get(hash)!.filter((other) => other !== entry);
      if (others.length > 0) this.#entries.set(hash, others);
      else this.#entries.delete(hash);
      // The other buffers of the group forget it too, or a long-lived one would collect groups for ever.
      for (let at = 1; at < key.length; at += 3) {
        if (key[at] !== storage.id) this.#ofStorage.get(key[at]!)?.delete(entry);
      }
    }
    this.#ofStorage.delete(storage.id);
  }

  /** Bytes that are bound of a slice, or {@link whole}. */
  #size({ storage, offset, size }: BufferSlice): number {
    const fits = storage.size <= this.limits.maxStorageBufferBindingSize;
    return storage.pooled && offset === 0 && size > 0 && fits && !this.exact ? whole : size;
  }

  #make(pipeline: Pipeline, slices: readonly BufferSlice[], hash: number): GPUBindGroup {
    const bound = slices.map((slice): BufferSlice => {
      const size = this.#size(slice);
      return { ...slice, size: size === whole ? slice.storage.size : size };
    });
    this.#validate(pipeline, bound);
    const entries: GPUBindGroupEntry[] = bound.map(({ storage, offset, size }, binding) => ({
      binding,
      resource: { buffer: storage.buffer, offset, size: Math.ceil(size / 4) * 4 },
    }));
    if (this.uniforms && pipeline.parameterBytes > 0) {
      const resource = { buffer: this.uniforms, offset: 0, size: pipeline.parameterBytes };
      entries.push({ binding: entries.length, resource });
    }
    const group = this.gpu.createBindGroup({ label: pipeline.name, layout: pipeline.layout, entries });
    this.made++;
    if (this.made % maximumGroups === 0) {
      this.#entries.clear();
      this.#ofStorage.clear();
    }
    this.#keep({ hash, key: this.#key.slice(0, 1 + 3 * slices.length), group });
    return group;
  }

  #keep(entry: Entry): void {
    const { hash, key } = entry;
    const sameHash = this.#entries.get(hash);
    if (sameHash) sameHash.push(entry);
    else this.#entries.set(hash, [entry]);
    for (let at = 1; at < key.length; at += 3) {
      const id = key[at]!;
      const entries = this.#ofStorage.get(id);
      if (entries) entries.add(entry);
      else this.#ofStorage.set(id, new Set([entry]));
    }
  }

  #validate(pipeline: Pipeline, bound: readonly BufferSlice[]): void {
    const { limits } = this;
    if (bound.length > limits.maxStorageBuffersPerShaderStage) {
      throw new InputError(
        `kernel ${pipeline.name}: ${bound.length} storage buffers, the adapter allows ${limits.maxStorageBuffersPerShaderStage}`,
        { code: 'gpu.limit' },
      );
    }
    pipeline.bindings.forEach(({ name, binding }, i) => {
      const { storage, offset, size } = bound[i]!;
      if (size > limits.maxStorageBufferBindingSize) {
        throw new InputError(
          `kernel ${pipeline.name}: "${name}" binds ${formatBytes(size)}, the adapter allows ` +
            `${formatBytes(limits.maxStorageBufferBindingSize)} in one binding`,
          { code: 'gpu.limit' },
        );
      }
      if (offset % limits.minStorageBufferOffsetAlignment !== 0 || size === 0) {
        throw new InputError(
          `kernel ${pipeline.name}: "${name}" binds ${size} bytes at offset ${offset}; offsets must be ` +
            `multiples of ${limits.minStorageBufferOffsetAlignment} and slices not empty`,
          { code: 'gpu.limit' },
        );
      }
      pipeline.bindings.slice(i + 1).forEach((other, distance) => {
        const second = bound[i + 1 + distance]!;
        if (second.storage !== storage) return;
        if (binding.access === 'read' && other.binding.access === 'read') return;
        const overlap = offset < second.offset + second.size && second.offset < offset + size;
        if (overlap || binding.access !== other.binding.access) {
          throw new InputError(
            `kernel ${pipeline.name}: "${name}" and "${other.name}" share a buffer that the kernel writes`,
          );
        }
      });
    });
  }
}

/** Whether `wanted` begins with `key`. Keys that begin with the same pipeline are equally long. */
function begins(wanted: readonly number[], key: readonly number[]): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== wanted[i]) return false;
  return true;
}
