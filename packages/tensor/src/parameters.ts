// Trainable values: parameters grouped in arenas, so that one dispatch updates a whole group.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { fill } from '@crossgate/kernels';
import { expectFloats } from './dtype';
import type { Shape } from './tensor';
import { shapeSize, Tensor } from './tensor';

/** A parameter before it has memory: its name, shape and initial values. */
export interface ParameterSpec {
  /** Unique in its group; the name in state dicts and files. */
  readonly name: string;
  /** Lengths of the dimensions, outermost first. */
  readonly shape: Shape;
  /** Initial values, row-major; their number must fit the shape. Default zeros. */
  readonly values?: Float32Array;
  /** Whether weight decay applies; usually false for biases and norms. Default true. */
  readonly decay?: boolean;
  /**
   * Whether the parameter may be larger than the adapter's binding limit. True suits tables whose rows are read by
   * `embedding`, whose kernels bind them in parts; a larger parameter without it is refused. Default false.
   */
  readonly spansBindings?: boolean;
}

/** A trainable f32 tensor: one range of its group's arena. */
export class Parameter extends Tensor {
  /** Made by {@link ParameterGroup} alone. */
  constructor(
    device: Device,
    value: BufferSlice,
    /** Gradient memory, f32 of the parameter's shape, at the same offset of the group's gradient arena. */
    readonly gradient: BufferSlice,
    shape: Shape,
    /** Unique in its group; the name in state dicts and files. */
    readonly name: string,
    /** The group that owns its memory. */
    readonly group: ParameterGroup,
  ) {
    super(device, value, shape, 'f32');
  }
}

/** Adjacent parameters of a group that one dispatch updates together. */
export interface ArenaSection {
  /** f32 [count]: the values, with gaps between parameters where alignment asks for them. */
  readonly value: BufferSlice;
  /** f32 [count]: the gradients, at the same offsets. */
  readonly gradient: BufferSlice;
  /** Number of f32 values, gaps included. */
  readonly count: number;
  /** Whether weight decay applies to all of them, or to none. */
  readonly decay: boolean;
}

/** Parameter ranges start at multiples of this many bytes: the alignment WebGPU guarantees to suffice for bindings. */
const alignment = 256;

/**
 * Parameters that are trained or frozen together. Values and gradients lie at the same offsets of two arenas.
 * Parameters with weight decay come first; an arena larger than the adapter's binding limit is split into several
 * sections.
 */
export class ParameterGroup {
  /** All parameters, in the order of their specs. */
  readonly parameters: readonly Parameter[];
  /** The arenas, in parts that each fit one binding and either decay or do not. */
  readonly sections: readonly ArenaSection[];
  /** Stands before the names of its parameters in states: '' unless groups with the same names are trained together. */
  statePrefix = '';
  readonly #byName: ReadonlyMap<string, Parameter>;
  #trainable = false;
  #version = 0;

  /**
   * Allocates the arenas and uploads the initial values; gradients start at zero. Free both with {@link release}.
   *
   * @param specs its parameters.
   * @throws InputError for names given twice, for values that are no `Float32Array` or do not fit their shape, and for
   * a parameter larger than the binding limit without `spansBindings`; OutOfMemoryError with the sizes. Nothing stays
   * allocated then.
   */
  constructor(
    /** The device that holds the arenas. */
    readonly device: Device,
    /** Name of the group: `device.memory.report()` counts its bytes under it, and messages name it. */
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
        const { values } = spec;
        if (values) expectFloats(`parameter ${spec.name}: values`, values);
        if (values && values.length !== shapeSize(spec.shape)) {
          throw new InputError(
            `parameter ${spec.name}: ${values.length} values do not fill the shape [${spec.shape.join(', ')}]`,
          );
        }
        const bytes = Math.ceil((4 * shapeSize(spec.shape)) / alignment) * alignment;
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
        size: 4 * shapeSize(spec.shape),
      });
      const parameter = new Parameter(device, range(value), range(gradient), spec.shape, spec.name, this);
      if (spec.values) device.recorder.write(parameter.slice, spec.values);
      byName.set(spec.name, parameter);
    }
    // In the order of the specs, whatever the layout.
    this.parameters = specs.map(({ name }) => byName.get(name)!);
    this.#byName = byName;
  }

  /** Whether gradients flow to the parameters of this group. False at first. */
  get trainable(): boolean {
    return this.#trainable;
  }

  set trainable(value: boolean) {
    this.#trainable = value;
    for (const parameter of this.parameters) parameter.requiresGrad = value;
  }

  /**
   * A counter that grows whenever values change. Results computed from the values are valid while it stays the same.
   */
  get version(): number {
    return this.#version;
  }

  /**
   * Declares that values have changed. Optimizers and `writeGroup` call it; code that writes to the memory itself must
   * too.
   */
  changed(): void {
    this.#version++;
  }

  /** The parameter of this name. @throws InputError for an unknown name. */
  get(name: string): Parameter {
    const parameter = this.#byName.get(name);
    if (parameter === undefined) throw new InputError(`the group "${this.purpose}" has no parameter ${name}`);
    return parameter;
  }

  /** Sets all gradients to zero, before gradients are accumulated for the next update. */
  zeroGradients(): void {
    // By a kernel: a clear would end the pass, and the device would wait.
    for (const { gradient, count } of this.sections) fill(this.device, { out: gradient, count, value: 0 });
  }

  /** Number of values of all parameters. */
  get size(): number {
    return this.parameters.reduce((sum, { size }) => sum + size, 0);
  }

  /** Frees the memory of values and gradients; the group must not be used afterwards. */
  release(): void {
    for (const { value, gradient } of this.sections) {
      this.device.memory.free(value);
      this.device.memory.free(gradient);
    }
  }
}

/**
 * Allocates several persistent buffers, or none: when `body` throws, the buffers allocated so far are freed.
 *
 * @param body calls `allocate(bytes, purpose)` once per buffer.
 * @returns the result of `body`.
 * @throws OutOfMemoryError with the sizes; whatever `body` throws.
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
