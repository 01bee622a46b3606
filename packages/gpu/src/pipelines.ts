// Compiles kernels once per set of constants and keeps the result.
import type { BindingDeclaration, Kernel } from './kernel';
import { activeBindings, renderKernel, resolveConstants } from './kernel';
import type { Constants } from './preprocess';

export interface Pipeline {
  readonly id: number;
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly { readonly name: string; readonly binding: BindingDeclaration }[];
  readonly parameterBytes: number;
}

const stageCompute = 0x4;

export class PipelineCache {
  readonly #pipelines = new Map<Kernel, Map<string, Pipeline>>();
  #nextId = 1;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly immediates: boolean,
  ) {}

  /**
   * The pipeline of a kernel with these values of its constants, compiled at the first call.
   *
   * @throws InputError for constants that the kernel does not take.
   */
  get(kernel: Kernel, overrides: Constants | undefined): Pipeline {
    let variants = this.#pipelines.get(kernel);
    if (variants === undefined) {
      variants = new Map();
      this.#pipelines.set(kernel, variants);
    }
    let key = '';
    for (const name in overrides) key += `${name}=${overrides[name]};`;
    let pipeline = variants.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(kernel, resolveConstants(kernel.declaration, overrides));
      variants.set(key, pipeline);
    }
    return pipeline;
  }

  #compile({ declaration }: Kernel, constants: Constants): Pipeline {
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
