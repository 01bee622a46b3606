// Trainable values: parameters grouped in arenas, so that one dispatch updates a whole group.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { fill } from '@crossgate/kernels';
import { expectFloats } from './dtype';
import type { Shape } from './tensor';
import { shapeSize, Tensor } from './tensor';

/** What a parameter is before it has memory. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Initial values; their number must fit the shape. */
  readonly values: Float32Array;
  /** False for biases and norms: they take no weight decay. Default true. */
  readonly decay?: boolean;
  /**
   * True for a table that may be larger than one binding: the kernels that read and write its rows take it in parts. Default
   * false: it is refused.
   */
  readonly spansBindings?: boolean;
}

/** A trainable tensor: one range of its group's arena. */
export class Parameter extends Tensor {
  constructor(
    device: Device,
    value: BufferSlice,
    /** Gradient memory at the same offset of the group's gradient arena. */
    readonly gradient: BufferSlice,
    shape: Shape,
    readonly name: string,
    readonly group: ParameterGroup,
  ) {
    super(device, value, shape, 'f32');
  }
}

/** A contiguous run of parameters that are updated together. */
export interface ArenaSection {
  readonly value: BufferSlice;
  readonly gradient: BufferSlice;
  readonly count: number;
  readonly decay: boolean;
}

/** Parameter ranges start at multiples of this many bytes: the alignment WebGPU guarantees to suffice for bindings. */
const alignment = 256;

/**
 * Parameters that are trained or frozen together. Values and gradients lie at the same offsets of two arenas, decayed
 * parameters first; an arena larger than the binding limit becomes several sections.
 */
export class ParameterGroup {
  readonly parameters: readonly Parameter[];
  readonly sections: readonly ArenaSection[];
  readonly #byName: ReadonlyMap<string, Parameter>;
  #trainable = false;
  #version = 0;

  /**
   * @param purpose name of the group, under which its memory is reported.
   * @throws InputError on duplicate names, on values that do not fit their shape, and on a parameter larger than the binding limit;
   * OutOfMemoryError. Nothing stays allocated then.
   */
  constructor(
    readonly device: Device,
    readonly purpose: string,
    specs: readonly ParameterSpec[],
  ) {
    const limit = device.capabilities.limits.maxStorageBufferBindingSize;
    const names = new Set<string>();
    for (const { name } of specs) {
      if (names.has(name)) throw new InputError(`two parameters are named ${name}`);
      names.add(name);
    }
    const layout: { spec: ParameterSpec; section: number; offset: number }[] = [];
    const sizes: { bytes: number; decay: boolean }[] = [];
    for (const decay of [true, false]) {
      let open = false;
      for (const spec of specs) {
        if ((spec.decay ?? true) !== decay) continue;
        expectFloats(`parameter ${spec.name}: values`, spec.values);
        if (spec.values.length !== shapeSize(spec.shape)) {
          throw new InputError(
            `parameter ${spec.name}: ${spec.values.length} values do not fill the shape [${spec.shape.join(', ')}]`,
          );
        }
        const bytes = Math.ceil((4 * spec.values.length) / alignment) * alignment;
        if (bytes > limit && !spec.spansBindings) {
          throw new InputError(`parameter ${spec.name} takes ${bytes} bytes, the adapter binds at most ${limit}`);
        }
        const last = sizes.at(-1);
        if (!open || last === undefined || last.bytes + bytes > limit) {
          sizes.push({ bytes: 0, decay });
          open = true;
        }
        const section = sizes.length - 1;
        layout.push({ spec, section, offset: sizes[section]!.bytes });
        sizes[section]!.bytes += bytes;
      }
    }
    this.sections = allOrNothing(device, (allocate) =>
      sizes.map(({ bytes, decay }) => ({
        value: allocate(bytes, purpose),
        gradient: allocate(bytes, `${purpose} gradients`),
        count: bytes / 4,
        decay,
      })),
    );
    const byName = new Map<string, Parameter>();
    for (const { spec, section, offset } of layout) {
      const { value, gradient } = this.sections[section]!;
      const range = (slice: BufferSlice): BufferSlice => ({
        storage: slice.storage,
        offset,
        size: 4 * spec.values.length,
      });
      const parameter = new Parameter(device, range(value), range(gradient), spec.shape, spec.name, this);
      device.recorder.write(parameter.slice, spec.values);
      byName.set(spec.name, parameter);
    }
    // In the order of the specs, whatever the layout.
    this.parameters = specs.map(({ name }) => byName.get(name)!);
    this.#byName = byName;
  }

  /** Whether gradients flow to this group. */
  get trainable(): boolean {
    return this.#trainable;
  }

  set trainable(value: boolean) {
    this.#trainable = value;
    for (const parameter of this.parameters) parameter.requiresGrad = value;
  }

  /** Grows whenever values change: what was computed from them holds as long as this stays the same. */
  get version(): number {
    return this.#version;
  }

  /** Says that values have changed. Optimizers and `writeGroup` do; so must whoever writes to the memory itself. */
  changed(): void {
    this.#version++;
  }

  /** @throws InputError for an unknown name. */
  get(name: string): Parameter {
    const parameter = this.#byName.get(name);
    if (parameter === undefined) throw new InputError(`the group "${this.purpose}" has no parameter ${name}`);
    return parameter;
  }

  /** Sets all gradients to zero: the start of an accumulation. */
  zeroGradients(): void {
    // By a kernel: a clear would end the pass, and the device would wait.
    for (const { gradient, count } of this.sections) fill(this.device, { out: gradient, count, value: 0 });
  }

  /** Number of trained values. */
  get size(): number {
    return this.parameters.reduce((sum, { size }) => sum + size, 0);
  }

  /** Frees the memory. */
  release(): void {
    for (const { value, gradient } of this.sections) {
      this.device.memory.free(value);
      this.device.memory.free(gradient);
    }
  }
}

/**
 * Allocates several persistent buffers, or none: when one does not fit, those before it are freed again.
 *
 * @param body calls `allocate` (bytes, purpose) for each and returns what is made of them.
 * @throws OutOfMemoryError; whatever `body` throws.
 */
export function allOrNothing<T>(
  device: Device,
  body: (allocate: (bytes: number, purpose: string) => BufferSlice) => T,
): T {
  const done: BufferSlice[] = [];
  try {
    return body((bytes, purpose) => {
      const slice = device.memory.persistent(bytes, purpose);
      done.push(slice);
      return slice;
    });
  } catch (error) {
    for (const slice of done) device.memory.free(slice);
    throw error;
  }
}
