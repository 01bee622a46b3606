/** The steps of the ladder: kernels, constants and tiles. */
import { type Capabilities, type Constants, defineKernel } from '@crossgate/gpu';
import matrixSource from './matrix.wgsl';
import naiveSource from './naive.wgsl';
import registerTilesSource from './register-tiles.wgsl';
import tiledSource from './tiled.wgsl';
import vec4Source from './vec4.wgsl';

/** All steps bind and take the same; from `vec4` on, b and out may be arrays of vec4. */
function stepKernel(
  name: string,
  source: string,
  constants: Constants,
  elementType: 'f32' | 'vec4<f32>' = 'f32',
  extensions: readonly string[] = [],
) {
  return defineKernel({
    name: `matmul-ladder-${name}`,
    source,
    bindings: {
      a: { access: 'read', type: 'f32' },
      b: { access: 'read', type: elementType },
      out: { access: 'read_write', type: elementType },
    },
    parameters: { m: 'u32', n: 'u32', k: 'u32' },
    constants,
    extensions: () => extensions,
  });
}

const naiveKernel = stepKernel('naive', naiveSource, { WORKGROUP_SIZE: 256 });
const tiledKernel = stepKernel('tiled', tiledSource, { TILE: 16, STRIDE: 16 });
const vec4Kernel = stepKernel('vec4', vec4Source, { TILE: 16, STRIDE: 17 }, 'vec4<f32>');
const registerTilesKernel = stepKernel('register-tiles', registerTilesSource, { TILE: 16 }, 'vec4<f32>');
const matrixKernel = stepKernel(
  'matrix',
  matrixSource,
  { M: 8, N: 8, K: 8, BLOCKS: 2, SUBGROUP_SIZE: 32, PREFETCH: false },
  'f32',
  ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'],
);

/** The steps, from the first idea to the last. */
export const LADDER_STEPS = ['naive', 'tiled', 'padded', 'vec4', 'register-tiles', 'matrix', 'prefetch'] as const;

/** A step of the ladder. */
export type LadderStep = (typeof LADDER_STEPS)[number];

/** What a step runs: its kernel, the constants, and the elements that a workgroup computes. */
export interface Rung {
  readonly kernel: ReturnType<typeof stepKernel>;
  readonly constants: Constants;
  /** Rows and columns of a workgroup; [1, 256] are 256 elements in their order. */
  readonly tile: readonly [number, number];
}

/** The shape of the matrix units that the steps `matrix` and `prefetch` use: f16 in, f32 out; undefined without any. */
export function matrixShape({ matrixConfigurations }: Pick<Capabilities, 'matrixConfigurations'>) {
  return matrixConfigurations.find(({ component, result }) => component === 'f16' && result === 'f32');
}

/** What a step runs on an adapter that can run it. */
export function rungOf(step: LadderStep, capabilities: Capabilities): Rung {
  switch (step) {
    case 'naive':
      return { kernel: naiveKernel, constants: {}, tile: [1, 256] };
    case 'tiled':
      return { kernel: tiledKernel, constants: { STRIDE: 16 }, tile: [16, 16] };
    case 'padded':
      return { kernel: tiledKernel, constants: { STRIDE: 17 }, tile: [16, 16] };
    case 'vec4':
      return { kernel: vec4Kernel, constants: {}, tile: [16, 64] };
    case 'register-tiles':
      return { kernel: registerTilesKernel, constants: {}, tile: [64, 64] };
    default: {
      const { m: M, n: N, k: K } = matrixShape(capabilities)!;
      const [SUBGROUP_SIZE] = capabilities.subgroupSize;
      // On a processor, which imitates matrix units, each accumulator takes seconds to compile.
      const BLOCKS = capabilities.software ? 1 : 2;
      const constants = { M, N, K, BLOCKS, SUBGROUP_SIZE, PREFETCH: step === 'prefetch' };
      return { kernel: matrixKernel, constants, tile: [2 * BLOCKS * M, 2 * BLOCKS * N] };
    }
  }
}
