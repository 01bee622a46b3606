// What an adapter can do, as plain data: kernels choose their variants from this and nothing else.

/** One shape that the adapter's matrix units multiply: C[m,n] (result) += A[m,k] · B[k,n] (component). */
export interface MatrixConfiguration {
  /** Type of the elements of A and B, by WebGPU's name, e.g. `f16`. */
  readonly component: string;
  /** Type of the elements of C, in which sums are kept, e.g. `f32`. */
  readonly result: string;
  /** Rows of A and C. */
  readonly m: number;
  /** Columns of B and C. */
  readonly n: number;
  /** Columns of A, rows of B. */
  readonly k: number;
}

/** The limits that launchers respect. Sizes in bytes, the rest in counts. */
export interface Limits {
  /** Most bytes of a buffer that one binding shows to a kernel. */
  readonly maxStorageBufferBindingSize: number;
  /** Most bytes of one buffer. */
  readonly maxBufferSize: number;
  /** Most storage buffers of one kernel. */
  readonly maxStorageBuffersPerShaderStage: number;
  /** Most bytes of memory that the invocations of a workgroup share. */
  readonly maxComputeWorkgroupStorageSize: number;
  /** Most invocations of a workgroup. */
  readonly maxComputeInvocationsPerWorkgroup: number;
  /** Most invocations of a workgroup along its first dimension, the only one that our kernels use. */
  readonly maxComputeWorkgroupSizeX: number;
  /** Most workgroups of a dispatch along one dimension; the recorder folds what exceeds it into two. */
  readonly maxComputeWorkgroupsPerDimension: number;
  /** Bytes of which the offset of a bound slice must be a multiple. */
  readonly minStorageBufferOffsetAlignment: number;
  /** Bytes of which the offset of a uniform binding must be a multiple. */
  readonly minUniformBufferOffsetAlignment: number;
}

/** Names of the limits, in the order in which they are requested from an adapter. */
export const limitNames = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
  'minStorageBufferOffsetAlignment',
  'minUniformBufferOffsetAlignment',
] as const satisfies readonly (keyof Limits)[];

/** What an opened device, or an adapter, can do. Plain data: planners choose kernels from it. */
export interface Capabilities {
  /** Human-readable device name, e.g. `llvmpipe (LLVM 20, 256 bits)`. */
  readonly name: string;
  /** Maker of the device as WebGPU names it, e.g. `nvidia`; `unknown` where it says nothing. */
  readonly vendor: string;
  /** Family of the device as WebGPU names it, e.g. `hopper`; may be empty. */
  readonly architecture: string;
  /** Driver and version as the implementation describes it; may be empty in browsers. */
  readonly driver: string;
  /** True when the "GPU" is a program on the CPU. */
  readonly software: boolean;
  /** WebGPU features by name, sorted: of an adapter what it offers, of a device what is enabled. */
  readonly features: readonly string[];
  /** What launchers must respect. */
  readonly limits: Limits;
  /** Smallest and largest subgroup; [1, 1] without subgroup support. */
  readonly subgroupSize: readonly [number, number];
  /** Whether kernels may use subgroup operations. */
  readonly subgroups: boolean;
  /** Whether kernels may compute in halves (`enable f16`). */
  readonly f16: boolean;
  /** Whether dispatches can be timed on the GPU. */
  readonly timestamps: boolean;
  /** Bytes of immediate data a dispatch may carry; 0 where there are none. */
  readonly immediateSize: number;
  /** Shapes of the adapter's matrix units; empty without subgroup matrices. */
  readonly matrixConfigurations: readonly MatrixConfiguration[];
}

/** Dawn's extra adapter information, absent in browsers. */
interface ExtendedAdapterInfo {
  readonly adapterType?: string;
  readonly isFallbackAdapter?: boolean;
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: readonly {
    componentType: string;
    resultComponentType: string;
    M: number;
    N: number;
    K: number;
  }[];
}

const softwareNames = /llvmpipe|lavapipe|swiftshader|software|microsoft basic render/i;

/** True when an adapter's description is that of a CPU rasterizer. */
export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  const extended = info as GPUAdapterInfo & ExtendedAdapterInfo;
  return (
    extended.adapterType === 'CPU' ||
    extended.isFallbackAdapter === true ||
    softwareNames.test(`${info.device} ${info.description} ${info.architecture}`)
  );
}

/** The limits that launchers respect, of an adapter or of a device. */
export function readLimits(limits: GPUSupportedLimits): Limits {
  return Object.fromEntries(limitNames.map((name) => [name, limits[name]])) as unknown as Limits;
}

/** Reads what `adapter` offers. `immediateSize` is given by whoever knows the implementation's language features. */
export function readCapabilities(adapter: GPUAdapter, immediateSize: number): Capabilities {
  const info = adapter.info as GPUAdapterInfo & ExtendedAdapterInfo;
  const features = [...adapter.features].sort();
  const subgroups = adapter.features.has('subgroups' as GPUFeatureName);
  return {
    // Dawn turns every mark of the driver's name into a dash.
    name: info.device.replace(/-+$/, '') || info.description || info.architecture || 'unknown adapter',
    vendor: info.vendor || 'unknown',
    architecture: info.architecture,
    driver: info.description,
    software: isSoftwareAdapter(adapter.info),
    features,
    limits: readLimits(adapter.limits),
    subgroups,
    subgroupSize: subgroups ? [info.subgroupMinSize ?? 4, info.subgroupMaxSize ?? 128] : [1, 1],
    f16: adapter.features.has('shader-f16'),
    timestamps: adapter.features.has('timestamp-query'),
    immediateSize,
    matrixConfigurations: [...(info.subgroupMatrixConfigs ?? [])].map((c) => ({
      component: c.componentType,
      result: c.resultComponentType,
      m: c.M,
      n: c.N,
      k: c.K,
    })),
  };
}
