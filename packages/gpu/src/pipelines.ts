// Compiles kernels once per set of constants and keeps the result.
import { InputError, ValidationError } from './errors';
import type { BindingDeclaration, Kernel } from './kernel';
import { activeBindings, renderKernel, resolveConstants } from './kernel';
import type { Constant, Constants } from './preprocess';
import type { Profiler } from './profiler/profiler';

export interface Pipeline {
  readonly id: number;
  readonly name: string;
  /** WebGPU's own; undefined while it is compiled ahead, and for one that failed to. */
  readonly pipeline: GPUComputePipeline | undefined;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly { readonly name: string; readonly binding: BindingDeclaration }[];
  readonly parameterBytes: number;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A pipeline with the values of constants that it was asked for by, in their order. */
interface Variant {
  readonly names: readonly string[];
  readonly values: readonly Constant[];
  readonly pipeline: Pipeline;
}

const stageCompute = 0x4;

/** The feature of a device that an extension of WGSL needs. */
const featureOf = (extension: string) => (extension === 'f16' ? 'shader-f16' : extension.replaceAll('_', '-'));

/** Told how many of the kernels that are compiled ahead are done. */
export type CompileProgress = (done: number, total: number) => void;

export class PipelineCache {
  readonly #variants = new Map<Kernel, Variant[]>();
  /** What is compiled ahead and not yet waited for. */
  #ahead: Promise<void>[] = [];
  /** Kernels compiled ahead since there were none, and all that were asked for. */
  #progress = { done: 0, total: 0 };
  #nextId = 1;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly immediates: boolean,
    private readonly profiler: () => Profiler | null,
  ) {}

  /**
   * The pipeline of a kernel with these values of its constants, compiled at the first call.
   *
   * @param ahead begins to compile without waiting: the pipeline is there after {@link compiling}. Several compile at the
   *   same time.
   * @throws InputError for constants that the kernel does not take, and for an extension that the device lacks.
   */
  get(kernel: Kernel, overrides: Constants | undefined, ahead = false): Pipeline {
    let variants = this.#variants.get(kernel);
    if (variants === undefined) {
      variants = [];
      this.#variants.set(kernel, variants);
    }
    // A kernel has few variants. To compare their values one by one is faster than to make a key of them.
    for (const variant of variants) if (matches(variant, overrides)) return variant.pipeline;
    const constants = resolveConstants(kernel.declaration, overrides);
    const { descriptor, ...rest } = this.#describe(kernel, constants);
    const pipeline: Writable<Pipeline> = { ...rest, pipeline: undefined };
    const variant = { names: Object.keys(overrides ?? {}), values: Object.values(overrides ?? {}), pipeline };
    if (ahead) {
      const compiling = this.gpu.createComputePipelineAsync(descriptor).then(
        (compiled) => {
          pipeline.pipeline = compiled;
        },
        (cause: Error) => {
          // Whoever asks again is told again.
          variants.splice(variants.indexOf(variant), 1);
          throw new ValidationError(`kernel ${pipeline.name} does not compile: ${cause.message}`, { cause });
        },
      );
      compiling.catch(() => {}); // Told by compiling().
      this.#ahead.push(compiling);
    } else {
      using _ = this.profiler()?.span('compile');
      pipeline.pipeline = this.gpu.createComputePipeline(descriptor);
    }
    variants.push(variant);
    return pipeline;
  }

  /**
   * Resolves when all that is compiled ahead is done; undefined when there is nothing.
   *
   * @throws ValidationError naming the first kernel that does not compile.
   */
  compiling(onProgress?: CompileProgress): Promise<void> | undefined {
    const all = this.#ahead;
    if (all.length === 0) {
      this.#progress = { done: 0, total: 0 };
      return undefined;
    }
    this.#ahead = [];
    const progress = this.#progress;
    progress.total += all.length;
    const tell = () => onProgress?.(progress.done, progress.total);
    const counted = all.map((each) =>
      each.finally(() => {
        progress.done++;
        tell();
      }),
    );
    return Promise.resolve(tell()).then(async () => {
      const results = await Promise.allSettled(counted);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    });
  }

  /** All of a pipeline but itself, and what it is made of. */
  #describe({ declaration }: Kernel, constants: Constants) {
    using _ = this.profiler()?.span('compile');
    for (const extension of declaration.extensions?.(constants) ?? []) {
      if (this.gpu.features.has(featureOf(extension) as GPUFeatureName)) continue;
      const needed = `kernel ${declaration.name} needs the feature ${featureOf(extension)}`;
      throw new InputError(`${needed}, which the device lacks or was opened without`, { code: 'gpu.limit' });
    }
    const bindings = activeBindings(declaration, constants);
    const parameterBytes = 4 * Object.keys(declaration.parameters).length;
    const label = declaration.name;
    const entries: GPUBindGroupLayoutEntry[] = bindings.map(({ binding }, index) => ({
      binding: index,
      visibility: stageCompute,
      buffer: { type: binding.access === 'read' ? 'read-only-storage' : 'storage' },
    }));
    if (!this.immediates && parameterBytes > 0) {
      entries.push({
        binding: bindings.length,
        visibility: stageCompute,
        buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: parameterBytes },
      });
    }
    const layout = this.gpu.createBindGroupLayout({ label, entries });
    const module = this.gpu.createShaderModule({ label, code: renderKernel(declaration, constants, this.immediates) });
    const descriptor: GPUComputePipelineDescriptor = {
      label,
      layout: this.gpu.createPipelineLayout({
        label,
        bindGroupLayouts: [layout],
        ...(this.immediates && { immediateSize: parameterBytes }),
      }),
      compute: { module, entryPoint: 'main' },
    };
    return { descriptor, id: this.#nextId++, name: label, layout, bindings, parameterBytes };
  }
}

function matches({ names, values }: Variant, overrides: Constants | undefined): boolean {
  let i = 0;
  for (const name in overrides) {
    if (name !== names[i] || overrides[name] !== values[i]) return false;
    i++;
  }
  return i === names.length;
}
