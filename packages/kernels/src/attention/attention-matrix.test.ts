/** Attention by matrix units against float64 and the other variants; plans, and that all kernels which they name compile. */
import { type Device, renderKernel, resolveConstants } from '@crossgate/gpu';
import { openDevice, openNullDevice } from '@crossgate/gpu/node';
import { expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { type AttentionCase, checkAttention, runAttention } from '../../test/attention';
import { matrixObstacle, unitOf } from '../matmul/matrix-tiles';
import { type AttentionPlan, attention, attentionBackward, attentionCached, planAttention } from './attention';
import { type AttentionPass, attentionMatrixObstacle, type MatrixBlockTile, matrixBlocks } from './matrix-blocks';
import { checkMatrixAttention } from './matrix-self-test';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ limits: { maxStorageBuffersPerShaderStage: 8 } });
});
afterAll(() => device.destroy());

/** Weights are rounded to 11 bits, inputs are exact: the error of a sum of weighted values of about 1. */
const tolerance = { relative: 1e-3, absolute: 1e-3 };

/** Units along the rows and the steps of a tile, and its subgroups. */
type Blocks = readonly [high: number, wide: number, subgroups: number];

/** Few results for each subgroup: software adapters need the longer for a kernel the more there are. */
const blocks = {
  // Several results side by side; scores of two columns; sums of two columns and two of padding.
  16: { forward: [2, 1, 2], backwardQuery: [1, 2, 2], backwardKey: [1, 4, 8] },
  // Heads that subgroups divide with padding, and as many rows as the planner takes.
  80: { forward: [4, 4, 16], backwardQuery: [4, 2, 16], backwardKey: [2, 4, 16] },
} as const satisfies Record<number, Record<AttentionPass, Blocks>>;

/** The plan by these blocks of the adapter's units; that of the planner on a GPU, whose units are larger. */
function planOf(headDim: keyof typeof blocks, members: number, context: TestContext): AttentionPlan {
  const { name, subgroupSize } = device.capabilities;
  const obstacle = matrixObstacle({ ...device.capabilities, software: false });
  context.skip(obstacle !== null, `${name} ${obstacle}`);
  if (!device.capabilities.software) {
    const shape = { tokens: 64, heads: members, keyValueHeads: 1, headDim, precision: 'f16' } as const;
    const made = planAttention(shape, device.capabilities);
    return { ...made, backwardKey: { ...made.backwardKey, members } };
  }
  const unit = unitOf(device.capabilities)!;
  const units = { unitM: unit.m, unitN: unit.n, unitK: unit.k, subgroupSize: subgroupSize[0], members };
  const tileOf = (pass: AttentionPass): MatrixBlockTile => {
    const [high, wide, subgroups] = blocks[headDim][pass];
    return { ...units, rows: high * unit.m, step: wide * unit.n, subgroups };
  };
  return { forward: tileOf('forward'), backwardQuery: tileOf('backwardQuery'), backwardKey: tileOf('backwardKey') };
}

/** Compares with float64 and with the variant without matrix units; twice, for equal bits. */
async function check(testCase: AttentionCase) {
  using _ = device.step();
  const exact = { ...testCase, halves: true };
  const first = await checkAttention(device, exact, tolerance);
  const { plan, ...plain } = exact;
  const others = (await runAttention(device, plain)).actual;
  for (const name of ['out', 'logSumExp', 'gradQuery', 'gradKey', 'gradValue'] as const) {
    expectClose(first[name], others[name], { ...tolerance, absolute: 4e-3, label: name });
  }
  expect((await runAttention(device, exact)).actual).toEqual(first);
}

describe('attention by matrix units', () => {
  it('agrees with the reference on ragged packed sequences, with sums of parts of a group', async (context) => {
    const plan = planOf(16, 1, context);
    await check({ lengths: [19, 1, 0, 14], heads: 6, keyValueHeads: 2, headDim: 16, plan });
    await check({ lengths: [20], heads: 1, keyValueHeads: 1, headDim: 16, plan, spread: 4 });
  });

  it('agrees with it for heads of 80 in four units of rows, where a workgroup walks the heads of a group', async (context) => {
    await check({ lengths: [9, 42], heads: 2, keyValueHeads: 1, headDim: 80, plan: planOf(80, 2, context) });
  });
});

it('finds out whether matrix units compute attention rightly', async (context) => {
  const plan = planOf(16, 2, context);
  expect(await checkMatrixAttention(device, 16, plan)).toBeNull();
  // Units that no adapter has: the kernels fail, and nothing of it is left behind.
  const forward = { ...(plan.forward as MatrixBlockTile), unitK: 4 };
  expect(await checkMatrixAttention(device, 16, { ...plan, forward })).toMatch(/^do not compile: /);
  await device.recorder.synchronize();
  expect(await checkMatrixAttention(device, 16, plan)).toBeNull();
});

it('tells how attention is wrong, and where overflow goes unseen', async () => {
  const unit = { unitM: 8, unitN: 8, unitK: 8, subgroupSize: 8, subgroups: 4, rows: 16, step: 16, members: 1 };
  const plan = { forward: unit, backwardQuery: unit, backwardKey: unit };
  const found: number[] = [];
  /** A device whose results are those numbers, one after another. */
  const idle = {
    capabilities: device.capabilities,
    step: () => ({ [Symbol.dispose]: () => {} }),
    memory: { allocate: (size: number) => ({ size }), releaseEarly: () => {} },
    recorder: {
      ...{ write() {}, dispatch() {} },
      read: async ({ size }: { size: number }) => new Float32Array(size / 4).fill(found.shift() ?? 0).buffer,
      async compileAhead(record: () => void) {
        record();
      },
    },
  };
  const told = (...results: number[]) => {
    found.push(...results);
    return checkMatrixAttention(idle as never, 16, plan);
  };
  const units = 'compute attention wrongly: units of 8x8x8 and heads of 16 gave';
  const right = [1, 1, 1, 1, 1];
  const overflows = [1, 1, Number.NaN, Number.NEGATIVE_INFINITY, Number.NaN];
  expect(await told(1, 1, 1.01, 1, 1, ...right, ...right)).toBe(
    `${units} ${Math.fround(1.01)} in place of 1 at 0 in gradQuery`,
  );
  expect(await told(...right, ...right, 1, 1, 1, 1.01, 1, ...overflows)).toBe(
    `${units} ${Math.fround(1.01)} in place of 1 at 0 in gradKey`,
  );
  expect(await told(Number.NaN, 1, 1, 1, 1, ...right, ...right)).toBe(`${units} NaN in place of 1 at 0 in out`);
  expect(await told(...right, ...right, ...right, 1, 1, Number.NaN, 1, 1)).toBe(
    `${units} 1 where f16 overflows in gradKey`,
  );
  expect(await told(...right, ...right, ...right, ...overflows)).toBeNull();
  // Without a kernel by matrix units there is nothing to check.
  const without = { ...idle, capabilities: { ...device.capabilities, software: true } };
  expect(await checkMatrixAttention(without as never, 16)).toBeNull();
});

it('computes the same with every block of the planner', async (context) => {
  const obstacle = attentionMatrixObstacle(64, device.capabilities);
  context.skip(obstacle !== null, `${device.capabilities.name} ${obstacle}`);
  for (const headDim of [64, 80, 96, 128]) {
    const shape = { lengths: [70, 0, 31], heads: 4, keyValueHeads: 2, headDim };
    const plan = planAttention({ ...shape, tokens: 101, precision: 'f16' }, device.capabilities);
    for (const pass of Object.keys(plan) as AttentionPass[]) {
      for (const block of matrixBlocks(pass, headDim, device.capabilities)) {
        await check({ ...shape, plan: { ...plan, [pass]: block } });
      }
    }
  }
});

const limits = (maxComputeWorkgroupStorageSize: number, maxComputeInvocationsPerWorkgroup = 1024) =>
  ({
    ...{ maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX: 1024 },
    maxStorageBufferBindingSize: 2 ** 31,
  }) as never;

const units = [
  { component: 'f16', result: 'f32', m: 16, n: 16, k: 16 },
  { component: 'f16', result: 'f32', m: 16, n: 8, k: 16 },
  { component: 'f16', result: 'f32', m: 16, n: 8, k: 8 },
];

const hopper = {
  ...{ software: false, name: 'nvidia-h100-80gb-hbm3', architecture: 'hopper', limits: limits(49_152) },
  ...{ f16: true, subgroups: true, subgroupSize: [32, 32] as const, matrixConfigurations: units },
};

const passes: readonly AttentionPass[] = ['forward', 'backwardQuery', 'backwardKey'];

describe('plans of attention for matrix units', () => {
  const shape = { tokens: 2100, heads: 32, keyValueHeads: 32, headDim: 128, precision: 'f16' } as const;
  const shapes = (plan: AttentionPlan) =>
    passes.map((pass) => {
      const tile = plan[pass];
      return 'unitM' in tile ? [tile.rows, tile.step, tile.subgroups] : null;
    });

  it('are made where they are asked for, of blocks that fit workgroup memory', () => {
    const of = (headDim: number, ...most: [bytes: number, lanes?: number]) =>
      shapes(planAttention({ ...shape, headDim }, { ...hopper, limits: limits(...most) }));
    const wide = [
      [64, 32, 4],
      [32, 32, 4],
      [32, 32, 8],
    ];
    for (const headDim of [64, 80, 96, 128]) expect(of(headDim, 49_152)).toEqual(wide);
    expect(of(128, 32_768)).toEqual([
      [32, 16, 2],
      [32, 16, 4],
      [16, 16, 2],
    ]);
    expect(of(64, 16_384)).toEqual([
      [32, 16, 2],
      [16, 16, 2],
      [16, 16, 2],
    ]);
    expect(of(128, 49_152, 128)).toEqual([...wide.slice(0, 2), [32, 32, 4]]);
    expect(shapes(planAttention({ ...shape, precision: 'f32' }, hopper))).toEqual([null, null, null]);
  });

  it('divide the query heads of a group where blocks of keys are few', () => {
    const members = (keyValueHeads: number, heads: number) =>
      planAttention({ ...shape, heads, keyValueHeads }, hopper).backwardKey;
    expect(members(8, 32)).toMatchObject({ members: 4 });
    expect(members(3, 9)).toMatchObject({ members: 1 });
    expect(members(4, 32)).toMatchObject({ members: 4 });
  });

  it('leave attention to the other variants by name, in all passes', () => {
    for (const [headDim, lacking, words] of [
      [64, { software: true }, 'is a program on the processor, which only imitates matrix units'],
      [64, { f16: false }, 'does not compute in f16 (the feature shader-f16)'],
      [20, {}, 'has matrix units of 16x16x16, which do not divide heads of 20'],
      [128, { limits: limits(16_384) }, 'has too little workgroup memory for heads of 128'],
    ] as const) {
      const capabilities = { ...hopper, ...lacking };
      expect(attentionMatrixObstacle(headDim, capabilities)).toBe(words);
      expect(shapes(planAttention({ ...shape, headDim }, capabilities))).toEqual([null, null, null]);
    }
    expect(attentionMatrixObstacle(64, hopper)).toBeNull();
  });

  it('are none of attention to a cache', () => {
    const slice = { size: 2 ** 30 } as never;
    const slices = { query: slice, key: slice, value: slice, offsets: slice, sequenceOfToken: slice, out: slice };
    const args = { ...slices, ...shape, scale: 1, cachedKey: slice, cachedValue: slice, cacheLength: 4 };
    const stub = { capabilities: hopper, recorder: { dispatch: () => {} } } as never;
    expect(() => attentionCached(stub, { ...args, plan: planAttention(shape, hopper) })).toThrow('plan it for f32');
    attentionCached(stub, args);
  });

  it.each(units)('compile for units of $m x $n x $k', async (unit) => {
    await using checker = await openNullDevice();
    const texts = new Map<string, string>();
    const recorder = {
      dispatch({ declaration }: Parameters<Device['recorder']['dispatch']>[0], { constants }: { constants: object }) {
        const text = renderKernel(declaration, resolveConstants(declaration, constants as never), true);
        if (declaration.name.startsWith('attention-matrix')) texts.set(text, JSON.stringify(constants));
      },
    };
    const slice = { size: 2 ** 30 } as never;
    const slices = { query: slice, key: slice, value: slice, offsets: slice, sequenceOfToken: slice, out: slice };
    const gradients = { gradOut: slice, gradQuery: slice, gradKey: slice, gradValue: slice, logSumExp: slice };
    const memory = { allocate: () => slice, releaseEarly: () => {} };
    for (const bytes of [49_152, 32_768, 16_384]) {
      const capabilities = { ...hopper, matrixConfigurations: [unit], limits: limits(bytes) };
      for (const headDim of [64, 80, 96, 128]) {
        const args = { ...shape, ...slices, ...gradients, headDim, scale: 1 };
        attention({ capabilities, memory, recorder } as never, args);
        attentionBackward({ capabilities, memory, recorder } as never, args);
      }
    }
    expect(texts.size).toBeGreaterThanOrEqual(24);
    for (const [code, name] of texts) {
      const { messages } = await checker.gpu.createShaderModule({ code }).getCompilationInfo();
      expect(messages.map(({ lineNum, message }) => `${name}, line ${lineNum}: ${message}`)).toEqual([]);
    }
  });
});
