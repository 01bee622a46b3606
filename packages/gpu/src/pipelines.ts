// Compiles kernels once per set of constants and keeps the result.
import type { BindingDeclaration, Kernel } from './kernel';
import { activeBindings, renderKernel, resolveConstants } from './kernel';
import type { Constant, Constants } from './preprocess';
import type { Profiler } from './profiler/profiler';

export interface Pipeline {
  readonly id: number;
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly { readonly name: string; readonly binding: BindingDeclaration }[];
  readonly parameterBytes: number;
}

/** A pipeline with the values of constants that it was asked for by, in their order. */
interface Variant {
  readonly names: readonly string[];
  readonly values: readonly Constant[];
  readonly pipeline: Pipeline;
}

const stageCompute = 0x4;

export class PipelineCache {
  readonly #variants = new Map<Kernel, Variant[]>();
  #nextId = 1;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly immediates: boolean,
    private readonly profiler: () => Profiler | null,
  ) {}

  /**
   * The pipeline of a kernel with these values of its constants, compiled at the first call.
   *
   * @throws InputError for constants that the kernel does not take.
   */
  get(kernel: Kernel, overrides: Constants | undefined): Pipeline {
    let variants = this.#variants.get(kernel);
    if (variants === undefined) {
      variants = [];
      this.#variants.set(kernel, variants);
    }
    // A kernel has few variants. To compare their values one by one is faster than to make a key of them.
    for (const variant of variants) if (matches(variant, overrides)) return variant.pipeline;
    const pipeline = this.#compile(kernel, resolveConstants(kernel.declaration, overrides));
    variants.push({ names: Object.keys(overrides ?? {}), values: Object.values(overrides ?? {}), pipeline });
    return pipeline;
  }

  #compile({ declaration }: Kernel, constants: Constants): Pipeline {
    using _ = this.profiler()?.span('compile');
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
    const pipeline = this.gpu.createComputePipeline({
      label,
      layout: this.gpu.createPipelineLayout({
        label,
        bindGroupLayouts: [layout],
        ...(this.immediates && { immediateSize: parameterBytes }),
      }),
      compute: { module, entryPoint: 'main' },
    });
    return { id: this.#nextId++, name: label, pipeline, layout, bindings, parameterBytes };
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
