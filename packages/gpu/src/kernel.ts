// A kernel as data: its WGSL text and the declaration from which layouts, checks and pipeline keys are derived.
import type { BufferSlice } from './memory';
import type { Constants } from './preprocess';
import { preprocess } from './preprocess';

export type ParameterType = 'u32' | 'i32' | 'f32';

/** One storage buffer of a kernel. */
export interface BindingDeclaration {
  readonly access: 'read' | 'read_write';
  /** WGSL element type of the array, e.g. `f32`, `u32`, `vec4<f32>`. */
  readonly type: string;
  /** Name of a constant: the binding exists only when that constant is true (non-zero). */
  readonly when?: string;
}

/**
 * What a kernel is. `bindings` become `var<storage>` arrays of the same name in `@group(0)`, in order; `parameters`
 * (at most 16 words) become `parameters.NAME`; `constants` become WGSL `const`s and steer the directives.
 */
export interface KernelDeclaration {
  readonly name: string;
  /** WGSL text with the directives of {@link preprocess}. The entry point is `main`. */
  readonly source: string;
  readonly bindings: Readonly<Record<string, BindingDeclaration>>;
  readonly parameters: Readonly<Record<string, ParameterType>>;
  /** Default values; a dispatch may override them. */
  readonly constants?: Constants;
  readonly includes?: Readonly<Record<string, string>>;
  /** WGSL extensions to enable (`f16`, `subgroups`, …), possibly depending on the constants. */
  readonly extensions?: (constants: Constants) => readonly string[];
}

export interface Kernel<D extends KernelDeclaration = KernelDeclaration> {
  readonly declaration: D;
}

/** What one dispatch of a kernel needs. */
export interface DispatchArguments<D extends KernelDeclaration = KernelDeclaration> {
  readonly bindings: {
    readonly [Name in keyof D['bindings']]: D['bindings'][Name] extends { readonly when: string }
      ? BufferSlice | undefined
      : BufferSlice;
  };
  readonly parameters: { readonly [Name in keyof D['parameters']]: number };
  readonly constants?: Constants;
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
 * @throws Error when there are more than 16 parameters (64 bytes, what fits in immediate data).
 */
export function defineKernel<const D extends KernelDeclaration>(declaration: D): Kernel<D> {
  const count = Object.keys(declaration.parameters).length;
  if (count > maximumParameters) {
    throw new Error(`kernel ${declaration.name}: ${count} parameters, at most ${maximumParameters} are possible`);
  }
  return { declaration };
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

/** Writes the complete WGSL of a kernel: extensions, constants, parameters, bindings, then the expanded body. */
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

/** Packs parameters into 32-bit words in declaration order. Missing or non-finite values are refused by name. */
export function packParameters(
  declaration: KernelDeclaration,
  values: Readonly<Record<string, number>>,
  words: DataView,
  byteOffset: number,
): void {
  let offset = byteOffset;
  for (const name in declaration.parameters) {
    const value = values[name];
    if (value === undefined || Number.isNaN(value)) {
      throw new Error(`kernel ${declaration.name}: parameter "${name}" is ${value}`);
    }
    const type = declaration.parameters[name];
    if (type === 'f32') words.setFloat32(offset, value, true);
    else if (type === 'i32') words.setInt32(offset, value, true);
    else words.setUint32(offset, value, true);
    offset += 4;
  }
}
