// A kernel as data: its WGSL text and the declaration from which layouts, checks and pipeline keys are derived.
import { InputError } from './errors';
import type { BufferSlice } from './memory';
import type { Constant, Constants } from './preprocess';
import { preprocess } from './preprocess';

/** WGSL type of a parameter; each takes one word of 32 bits. */
export type ParameterType = 'u32' | 'i32' | 'f32';

/** One storage buffer of a kernel. */
export interface BindingDeclaration {
  /** Whether the kernel only reads the buffer; a buffer that it writes may be bound once. */
  readonly access: 'read' | 'read_write';
  /** WGSL element type of the array, e.g. `f32`, `u32`, `vec4<f32>`, or an alias that the text declares. */
  readonly type: string;
  /** Name of a declared constant: the binding exists only when that constant is true (non-zero). */
  readonly when?: string;
}

/**
 * What a kernel is. `bindings` become `var<storage>` arrays of the same name in `@group(0)`, in order; `parameters`
 * (at most 16 words) become `parameters.NAME`; `constants` become WGSL `const`s and steer the directives.
 */
export interface KernelDeclaration {
  /** For messages, labels and the profiler. */
  readonly name: string;
  /** WGSL text with the directives of {@link preprocess}. The entry point is `main`. */
  readonly source: string;
  /** Storage buffers by the name that the text uses, in the order of their binding numbers. */
  readonly bindings: Readonly<Record<string, BindingDeclaration>>;
  /** Numbers that change from dispatch to dispatch, by name: at most 16. */
  readonly parameters: Readonly<Record<string, ParameterType>>;
  /** Every constant with its default value. A dispatch may give another value of the same type, boolean or number. */
  readonly constants?: Constants;
  /** Texts that `#include` finds, by name. */
  readonly includes?: Readonly<Record<string, string>>;
  /** WGSL extensions to enable (`f16`, `subgroups`, …), possibly depending on the constants. */
  readonly extensions?: (constants: Constants) => readonly string[];
}

/** A kernel that {@link defineKernel} checked. Pipelines are kept by the identity of this object. */
export interface Kernel<D extends KernelDeclaration = KernelDeclaration> {
  /** What it was defined by. */
  readonly declaration: D;
}

/** Type of the values that a constant may take, from its default: `boolean` or `number`. */
export type ConstantType<Default> = Default extends boolean ? boolean : number;

/** What a kernel without constants takes. */
type NoConstants = Readonly<Record<string, never>>;

/**
 * Values that a dispatch may give to the constants of a kernel: those that it declares, each of the type of its
 * default. Where the declaration is not known at compile time, any; the recorder checks them all the same.
 */
export type ConstantOverrides<D extends KernelDeclaration> = KernelDeclaration extends D
  ? Constants
  : D extends { readonly constants: infer Declared }
    ? [keyof Declared] extends [never]
      ? NoConstants
      : { readonly [Name in keyof Declared]?: ConstantType<Declared[Name]> }
    : NoConstants;

/**
 * A number that differs from step to step, such as the counter of dropout. Parameters may be one: a dispatch reads it when
 * it is recorded, and again whenever a program replays it (see `Device.capture`), while plain numbers stay what they were.
 */
export interface StepValue {
  /** The number of the step that is recorded or replayed next. */
  readonly value: number;
}

/** The number that a parameter has now. */
export function numberOf(value: number | StepValue): number {
  return typeof value === 'number' ? value : value.value;
}

/**
 * A parameter that is computed from others: a number if they all are numbers, else again a value of the step.
 *
 * @param compute gets the numbers of `from`, in order.
 */
export function computed<From extends readonly (number | StepValue)[]>(
  from: From,
  compute: (...numbers: { [Index in keyof From]: number }) => number,
): number | StepValue {
  const now = () => compute(...(from.map(numberOf) as { [Index in keyof From]: number }));
  if (from.every((value) => typeof value === 'number')) return now();
  return {
    get value() {
      return now();
    },
  };
}

/** What one dispatch of a kernel needs. */
export interface DispatchArguments<D extends KernelDeclaration = KernelDeclaration> {
  /** A slice for every declared binding; undefined for one whose `when` is false in this dispatch. */
  readonly bindings: {
    readonly [Name in keyof D['bindings']]: D['bindings'][Name] extends { readonly when: string }
      ? BufferSlice | undefined
      : BufferSlice;
  };
  /** A number for every declared parameter. */
  readonly parameters: { readonly [Name in keyof D['parameters']]: number | StepValue };
  /** Constants that differ from their defaults. */
  readonly constants?: ConstantOverrides<D>;
  /**
   * Number of workgroups. They are folded into two dimensions where one is too small, so the kernel computes its
   * linear index as `workgroup_id.x + workgroup_id.y * num_workgroups.x` and must check it against its own bound.
   */
  readonly workgroups: number;
}

const maximumParameters = 16;

/**
 * Declares a kernel. Pure: nothing is compiled until a device dispatches it.
 *
 * @throws Error when there are more than 16 parameters (64 bytes, what fits in immediate data), or when a binding
 * depends on a constant that is not declared.
 */
export function defineKernel<const D extends KernelDeclaration>(declaration: D): Kernel<D> {
  const count = Object.keys(declaration.parameters).length;
  if (count > maximumParameters) {
    throw new Error(`kernel ${declaration.name}: ${count} parameters, at most ${maximumParameters} are possible`);
  }
  for (const [name, { when }] of Object.entries<BindingDeclaration>(declaration.bindings)) {
    if (when !== undefined && !Object.hasOwn(declaration.constants ?? {}, when)) {
      throw new Error(`kernel ${declaration.name}: binding "${name}" depends on "${when}", which is no constant of it`);
    }
  }
  return { declaration };
}

/**
 * All constants of a kernel: the defaults of its declaration, and the values that replace some.
 *
 * @throws InputError for a constant that the kernel does not declare, naming those there are, and for a value that is
 * no finite number or boolean, as the default is.
 */
export function resolveConstants(
  declaration: KernelDeclaration,
  overrides: Readonly<Record<string, unknown>> = {},
): Constants {
  const defaults = declaration.constants ?? {};
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(defaults, name)) {
      const names = Object.keys(defaults);
      const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
      throw new InputError(`kernel ${declaration.name}: there is no constant "${name}"; ${known}`);
    }
    const isFlag = typeof defaults[name] === 'boolean';
    if (isFlag ? typeof value !== 'boolean' : !Number.isFinite(value)) {
      const needed = isFlag ? 'a boolean' : 'a finite number';
      throw new InputError(`kernel ${declaration.name}: constant "${name}" is ${value}, ${needed} is needed`);
    }
  }
  return { ...defaults, ...(overrides as Readonly<Record<string, Constant>>) };
}

/** The bindings that exist for these constants, in order. */
export function activeBindings(
  declaration: KernelDeclaration,
  constants: Constants,
): { name: string; binding: BindingDeclaration }[] {
  return Object.entries(declaration.bindings)
    .filter(([, binding]) => binding.when === undefined || Number(constants[binding.when] ?? 0) !== 0)
    .map(([name, binding]) => ({ name, binding }));
}

/**
 * Writes the complete WGSL of a kernel: extensions, constants, parameters, bindings, then the expanded body.
 *
 * @param constants all of them, as {@link resolveConstants} gives them.
 * @param immediates whether parameters travel as immediate data, else in a uniform buffer behind the bindings.
 * @throws InputError naming kernel and line of a malformed directive.
 */
export function renderKernel(declaration: KernelDeclaration, constants: Constants, immediates: boolean): string {
  const lines: string[] = [];
  for (const extension of declaration.extensions?.(constants) ?? []) lines.push(`enable ${extension};`);
  if (immediates && Object.keys(declaration.parameters).length > 0) lines.push('requires immediate_address_space;');
  for (const [name, value] of Object.entries(constants)) {
    lines.push(
      `const ${name} = ${typeof value === 'boolean' ? value : Number.isInteger(value) ? value : `${value}f`};`,
    );
  }
  const bindings = activeBindings(declaration, constants);
  bindings.forEach(({ name, binding }, index) => {
    lines.push(`@group(0) @binding(${index}) var<storage, ${binding.access}> ${name}: array<${binding.type}>;`);
  });
  const parameters = Object.entries(declaration.parameters);
  if (parameters.length > 0) {
    lines.push('struct Parameters {', ...parameters.map(([name, type]) => `  ${name}: ${type},`), '}');
    lines.push(
      immediates
        ? 'var<immediate> parameters: Parameters;'
        : `@group(0) @binding(${bindings.length}) var<uniform> parameters: Parameters;`,
    );
  }
  return `${lines.join('\n')}\n\n${preprocess(declaration.name, declaration.source, constants, declaration.includes)}`;
}

/**
 * Packs parameters into 32-bit words in the order of their declaration, from `byteOffset` on.
 *
 * @throws Error naming a parameter that is missing or NaN, or no whole number in the range of its integer type: a count
 * of 2³² would wrap to 0.
 */
export function packParameters(
  declaration: KernelDeclaration,
  values: Readonly<Record<string, number | StepValue>>,
  words: DataView,
  byteOffset: number,
): void {
  let offset = byteOffset;
  for (const name in declaration.parameters) {
    packParameter(declaration, name, values[name], words, offset);
    offset += 4;
  }
}

/** Packs one parameter into the word at `offset`. @throws Error as {@link packParameters} */
export function packParameter(
  { name: kernel, parameters }: KernelDeclaration,
  name: string,
  given: number | StepValue | undefined,
  words: DataView,
  offset: number,
): void {
  const value = given === undefined ? Number.NaN : numberOf(given);
  if (Number.isNaN(value)) throw new Error(`kernel ${kernel}: parameter "${name}" is ${given && value}`);
  const type = parameters[name];
  if (type === 'f32') words.setFloat32(offset, value, true);
  else {
    if (value !== (type === 'i32' ? value | 0 : value >>> 0)) {
      throw new Error(`kernel ${kernel}: parameter "${name}" is ${value}, which is no ${type}`);
    }
    words.setInt32(offset, value, true);
  }
}
