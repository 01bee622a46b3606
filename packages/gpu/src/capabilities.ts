// What an adapter can do, as plain data: kernels choose their variants from this and nothing else.

/** One shape that the adapter's matrix units multiply: C[m,n] (result) += A[m,k] · B[k,n] (component). */
export interface MatrixConfiguration {
  readonly component: string;
  readonly result: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The limits that launchers respect. Sizes in bytes, the rest in counts. */
export interface Limits {
  readonly maxStorageBufferBindingSize: number;
  readonly maxBufferSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly minStorageBufferOffsetAlignment: number;
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

export interface Capabilities {
  /** Human-readable device name, e.g. `llvmpipe (LLVM 20, 256 bits)`. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** Driver and version as the implementation describes it; may be empty in browsers. */
  readonly driver: string;
  /** True when the "GPU" is a program on the CPU. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Limits;
  /** Smallest and largest subgroup; [1, 1] without subgroup support. */
  readonly subgroupSize: readonly [number, number];
  readonly subgroups: boolean;
  readonly f16: boolean;
  readonly timestamps: boolean;
  /** Bytes of immediate data a dispatch may carry; 0 where there are none. */
  readonly immediateSize: number;
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

/** True when an adapter's description is that of a CPU rasteriser. */
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
