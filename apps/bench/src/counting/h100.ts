/** The GPU for which steps are counted where none is at hand. */
import type { Capabilities } from '@crossgate/gpu';

/**
 * An NVIDIA H100 (SXM) as Dawn on Vulkan should show it: limits of NVIDIA's driver on recent cards. Only what planners read
 * matters: the name, from which the number of multiprocessors follows, and the limits.
 */
export const h100: Capabilities = {
  ...{ name: 'NVIDIA H100', vendor: 'nvidia', architecture: 'hopper', driver: '', software: false },
  features: ['shader-f16', 'subgroups', 'timestamp-query'],
  limits: {
    maxStorageBufferBindingSize: 2 ** 31 - 4,
    maxBufferSize: 2 ** 32,
    maxStorageBuffersPerShaderStage: 16,
    maxComputeWorkgroupStorageSize: 48 * 1024,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX: 1024,
    maxComputeWorkgroupsPerDimension: 65_535,
    minStorageBufferOffsetAlignment: 256,
    minUniformBufferOffsetAlignment: 256,
  },
  ...{ subgroups: true, subgroupSize: [32, 32], f16: true, timestamps: true, immediateSize: 64 },
  matrixConfigurations: [
    { component: 'f16', result: 'f32', m: 16, n: 16, k: 16 },
    { component: 'f16', result: 'f32', m: 16, n: 8, k: 16 },
  ],
};
