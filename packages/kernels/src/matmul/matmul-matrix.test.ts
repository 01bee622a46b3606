/** Products by matrix units against float64, in every layout; plans, and that all kernels which they name compile. */
import { type Device, InputError, renderKernel, resolveConstants, ValidationError } from '@crossgate/gpu';
import { openDevice, openNullDevice } from '@crossgate/gpu/node';
import { expectClose, philox4x32, uniformFloat } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { download, upload, uploadFilled } from '../../test/harness';
import { matrixOf } from '../../test/narrow-matrix';
import { type MatmulArguments, type MatmulPlan, type MatmulShape, matmul, matrixObstacle, planMatmul } from './matmul';
import { checkMatrixUnits } from './matrix-self-test';
import { type MatrixTile, matrixTiles, unitOf } from './matrix-tiles';
import { planByTile } from './plan';

let device: Device;
beforeAll(async () => {
  // Small enough for operands of the tests to be divided. Every kernel takes software adapters seconds to compile.
  const limits = { maxComputeWorkgroupsPerDimension: 16, maxStorageBufferBindingSize: 16_384 };
  device = await openDevice({ limits: { ...limits, maxStorageBuffersPerShaderStage: 8 } });
});
afterAll(() => device.destroy());

/** Halves of small whole numbers: exact in f16, and so are their sums in f32. A wrong stride, transpose or row shows. */
const values = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed) % 17) - 8) / 2);

interface Case extends Omit<MatmulShape, 'precision'> {
  readonly alpha?: number;
  readonly accumulate?: boolean;
  readonly bias?: boolean;
}

function expected(c: Case, a: Float32Array, b: ArrayLike<number>, bias: Float32Array, before: Float32Array) {
  const { m, n, k, alpha = 1 } = c;
  return Float64Array.from({ length: m * n }, (_, e) => {
    const [i, j] = [Math.floor(e / n), e % n];
    let sum = 0;
    for (let q = 0; q < k; q++)
      sum += a[c.transposeA ? q * m + i : i * k + q]! * b[c.transposeB ? j * k + q : q * n + j]!;
    return alpha * sum + (c.bias ? bias[j]! : 0) + (c.accumulate ? before[e]! : 0);
  });
}

/** The plan by a tile, of whatever part of a product is asked about. */
const planBy =
  (tile: MatrixTile, splits = 1) =>
  (shape: MatmulShape): MatmulPlan =>
    planByTile(shape, tile, splits);

/** A tile of so many accumulators of the adapter's units, and so many of them deep. */
function tileOf(
  blocks: Readonly<Record<'across' | 'down' | 'subgroupRows' | 'subgroupColumns' | 'depth', number>>,
  context: TestContext,
): MatrixTile {
  const { name, subgroupSize } = device.capabilities;
  const obstacle = matrixObstacle({ ...device.capabilities, software: false });
  context.skip(obstacle !== null, `${name} ${obstacle}`);
  const unit = unitOf(device.capabilities)!;
  const { across, down, depth, subgroupRows, subgroupColumns } = blocks;
  return {
    ...{ unitM: unit.m, unitN: unit.n, unitK: unit.k, subgroupSize: subgroupSize[0], subgroupRows, subgroupColumns },
    ...{ rows: down * unit.m, columns: across * unit.n, innerStep: depth * unit.k },
  };
}

async function product(c: Case, plan: MatmulArguments['plan'], storage?: string) {
  using _ = device.step();
  const { m, n, k, transposeB = false, accumulate = false } = c;
  const [a, bias, before] = [values(m * k, 1), values(n, 3), values(m * n, 4)];
  const narrow = storage ? matrixOf(device, storage, transposeB ? n : k, transposeB ? k : n) : null;
  const b = values(k * n, 5);
  const out = accumulate ? upload(device, before) : uploadFilled(device, m * n);
  matmul(device, {
    ...{ ...c, a: upload(device, a), b: narrow?.b ?? upload(device, b), out, precision: 'f16' },
    bias: c.bias ? upload(device, bias) : undefined,
    ...(plan && { plan }),
  });
  return { got: await download(device, out), want: expected(c, a, narrow?.weight.data ?? b, bias, before) };
}

/** One accumulator, which software adapters compile soonest. */
const least = { across: 1, down: 1, subgroupRows: 2, subgroupColumns: 1, depth: 1 };

describe('matmul by matrix units', () => {
  it('multiplies any shape exactly, and keeps what is no number within its row and column', async (context) => {
    const plan = planBy(tileOf(least, context));
    for (const [m, n, k] of [
      [1, 1, 1],
      [7, 9, 8],
      [17, 37, 33],
      [8, 65, 60],
      [65, 7, 60],
    ] as const) {
      const { got, want } = await product({ m, n, k }, plan);
      expect(got, `${m}x${n}x${k}`).toEqual(Float32Array.from(want));
    }
    using _ = device.step();
    const [m, n, k] = [5, 7, 6];
    const [a, b, out] = [values(m * k, 1), values(n * k, 2), uploadFilled(device, m * n)];
    a[2 * k] = Number.NaN;
    a[k] = 70_000; // Beyond the halves, which makes it infinite.
    b[3] = Number.POSITIVE_INFINITY;
    matmul(device, { a: upload(device, a), b: upload(device, b), out, m, n, k, plan });
    const finite = (await download(device, out)).map((value) => Number(Number.isFinite(value)));
    expect(finite).toEqual(finite.map((_, i) => Number(![1, 2].includes(Math.floor(i / n)) && i % n !== 3)));
  });

  it('multiplies by the transpose of a matrix of halves, and adds a bias, in several accumulators', async (context) => {
    const plan = planBy(tileOf({ ...least, across: 2, down: 2, subgroupRows: 1, subgroupColumns: 2 }, context));
    // The second is divided by its columns.
    for (const [m, n, k] of [
      [17, 36, 44],
      [20, 192, 64],
    ] as const) {
      const { got, want } = await product({ m, n, k, transposeB: true, bias: true }, plan, 'f16');
      expectClose(got, want, { relative: 0, absolute: 1e-4, label: `${m}x${n}x${k}` });
    }
  });

  it('divides the inner axis, and accumulates', async (context) => {
    const plan = planBy(tileOf({ ...least, depth: 2 }, context), 3);
    // The second exceeds a binding along the inner axis.
    for (const [m, n, k] of [
      [12, 20, 200],
      [20, 28, 260],
    ] as const) {
      const c = { m, n, k, transposeA: true, alpha: -0.5, accumulate: true };
      const { got, want } = await product(c, plan);
      expect(got, `${m}x${n}x${k}`).toEqual(Float32Array.from(want));
    }
  });

  it('drops elements of an operand, and adds an update of which elements are dropped', async (context) => {
    const plan = planBy(tileOf(least, context));
    const [m, n, k, rank] = [20, 12, 36, 8];
    const [a, b, left, right] = [values(m * k, 1), values(k * n, 5), values(m * rank, 2), values(rank * n, 3)];
    // Half of the elements, so that the others are doubled, exactly.
    const mask = { probability: 0.5, seed: 7, stream: 3, counter: 5 };
    const dropped = (x: ArrayLike<number>) =>
      Float32Array.from(x, (value, i) => {
        const words = philox4x32([Math.floor(i / 4), mask.counter, mask.stream, 0], [mask.seed, 0x43524f53]);
        return uniformFloat(words[i % 4]!) >= mask.probability ? 2 * value : 0;
      });
    const none = new Float32Array(m * n);
    const product = (x: Float32Array, y: Float32Array) => expected({ m, n, k }, x, y, none, none);
    const added = dropped(expected({ m, n, k: rank }, left, right, none, none));
    const sum = product(a, b).map((value, i) => value + added[i]!);
    using _ = device.step();
    const update = { a: upload(device, left), b: upload(device, right), rank };
    for (const [of, want] of [
      ['a', product(dropped(a), b)],
      ['b', product(a, dropped(b))],
      ['update', sum],
    ] as const) {
      const out = uploadFilled(device, m * n);
      const args = { a: upload(device, a), b: upload(device, b), out, m, n, k, precision: 'f16' as const, plan };
      matmul(device, { ...args, dropout: { of, ...mask }, ...(of === 'update' && { update }) });
      expect(await download(device, out), of).toEqual(Float32Array.from(want));
    }
  });

  it('decodes quantized values, both operands transposed', async (context) => {
    const plan = planBy(tileOf(least, context));
    const [m, n, k] = [12, 20, 76];
    const c = { m, n, k, transposeA: true, transposeB: true, alpha: 2, bias: true, accumulate: true };
    const { got, want } = await product(c, plan, 'Q4_0');
    // Scales of halves times quants are rounded to halves.
    const size = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expectClose(got, want, { relative: 0, absolute: 1e-3 * size });
  });
});

it('finds out whether matrix units multiply rightly', async (context) => {
  const tile = tileOf(least, context);
  const opened = await openDevice();
  expect(await checkMatrixUnits(opened, [tile])).toBeNull();
  // Units that no adapter has: the kernels fail, and nothing of it is left behind.
  expect(await checkMatrixUnits(opened, [{ ...tile, unitK: tile.unitK / 2 }])).toMatch(/^do not compile: /);
  await opened.recorder.synchronize();
  expect(await checkMatrixUnits(opened, [tile])).toBeNull();
  await opened.destroy();
});

/** A tile of two accumulators of units of one size. */
const leastOf = (unit: number): MatrixTile => ({
  ...{ unitM: unit, unitN: unit, unitK: unit, subgroupSize: 8, subgroupRows: 2, subgroupColumns: 1 },
  ...{ rows: unit, columns: unit, innerStep: unit },
});

it('tells how matrix units are wrong, and all that their kernels fail by', async () => {
  const tile = leastOf(8);
  const limits = { ...device.capabilities.limits, maxStorageBufferBindingSize: 2 ** 27 };
  const idle = {
    capabilities: { ...device.capabilities, limits },
    step: () => ({ [Symbol.dispose]: () => {} }),
    memory: { allocate: (size: number) => ({ size }), releaseEarly: () => {} },
    recorder: {
      ...{ write() {}, dispatch() {}, read: async ({ size }: { size: number }) => new ArrayBuffer(size) },
      async compileAhead(record: () => void) {
        record();
      },
    },
  };
  expect(await checkMatrixUnits(idle as never, [tile])).toBe(
    'multiply wrongly: units of 8x8x8 in tiles of 8x8 gave 0 in place of -34 at row 0, column 0',
  );
  const errors = ['unknown instruction', 'invalid pipeline'];
  const next = async () => {
    const message = errors.shift();
    if (message) throw new ValidationError(message);
  };
  const refusing = { ...idle.recorder, compileAhead: next, synchronize: next };
  expect(await checkMatrixUnits({ ...idle, recorder: refusing } as never, [tile])).toBe(
    'do not compile: unknown instruction; invalid pipeline',
  );
});

it('leaves no error behind of matrix kernels that do not compile', async () => {
  await using nothing = await openNullDevice();
  const wrong = await checkMatrixUnits(nothing, [leastOf(8)]);
  // Of too few invocations for its subgroups.
  expect(wrong).toContain('do not compile: kernel matmul-matrix does not compile: The x-dimension of workgroup_size');
  await nothing.recorder.synchronize();
});

it('computes the same with every tile of the planner', async (context) => {
  const obstacle = matrixObstacle(device.capabilities);
  context.skip(obstacle !== null, `${device.capabilities.name} ${obstacle}`);
  for (const tile of matrixTiles(device.capabilities)) {
    for (const layout of [0, 1, 2, 3]) {
      const c = { m: 60, n: 68, k: 36, transposeA: layout > 1, transposeB: layout % 2 > 0 };
      const { got, want } = await product(c, planBy(tile));
      expect(got, JSON.stringify({ ...c, ...tile })).toEqual(Float32Array.from(want));
    }
  }
});

const limits = (maxComputeWorkgroupStorageSize: number, maxComputeWorkgroupSizeX = 1024) =>
  ({
    maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX,
    maxStorageBufferBindingSize: 2 ** 31,
  }) as never;

const units = [
  { component: 'f16', result: 'f32', m: 16, n: 16, k: 16 },
  { component: 'f16', result: 'f32', m: 16, n: 8, k: 16 },
  { component: 'f16', result: 'f32', m: 16, n: 8, k: 8 },
];

const hopper = {
  ...{ software: false, name: 'nvidia-h100-80gb-hbm3', architecture: 'hopper', limits: limits(49_152) },
  ...{ f16: true, subgroups: true, subgroupSize: [32, 32] as const },
  matrixConfigurations: [{ component: 'f16', result: 'f16', m: 16, n: 16, k: 16 }, ...units],
};

describe('plans for matrix units', () => {
  const plan = (m: number, n: number, k: number) => planMatmul({ m, n, k, precision: 'f16' }, hopper);

  it('are made where they are asked for', () => {
    expect(planMatmul({ m: 64, n: 64, k: 64 }, hopper)).toMatchObject({ variant: 'tiled', matrix: null });
    expect(plan(64, 64, 64)).toMatchObject({ variant: 'matrix', matrix: { unitM: 16, unitN: 16, unitK: 16 } });
    // Memory limits it.
    expect(plan(8, 64, 64)).toMatchObject({ variant: 'skinny', matrix: null });
  });

  it('have tiles that suit the product', () => {
    // Of three prompts of 700 tokens: a 7B model's projections, SmolLM2's, LoRA down and its weight's gradient, of rank 24;
    // of fewer tokens, SmolLM2's feed-forward and projections.
    for (const [m, n, k, rows, columns, splits] of [
      [2100, 4096, 4096, 128, 128, 1],
      [2100, 11_008, 4096, 128, 128, 1],
      [2100, 576, 576, 128, 64, 1],
      [2100, 24, 4096, 64, 16, 4],
      [24, 4096, 2100, 16, 64, 2],
      [300, 1536, 576, 64, 64, 1],
      [128, 576, 576, 64, 16, 1],
    ] as const) {
      const { matrix, ...made } = plan(m, n, k);
      const tile = [matrix!.rows * matrix!.subgroupRows, matrix!.columns * matrix!.subgroupColumns];
      expect([m, n, k, ...tile, made.splits]).toEqual([m, n, k, rows, columns, splits]);
      expect(made.uniformTiles * rows).toBeGreaterThanOrEqual(m);
      expect(made.laneTiles * columns).toBeGreaterThanOrEqual(n);
    }
  });

  it('are of one element where there is none', () => {
    for (const capabilities of [hopper, { ...hopper, software: true }] as const) {
      for (const precision of capabilities.software ? (['f32'] as const) : (['f32', 'f16'] as const)) {
        const of = (m: number, n: number) => planMatmul({ m, n, k: 300, precision }, capabilities);
        expect([of(0, 8), of(8, 0)]).toEqual([of(1, 8), of(8, 1)]);
      }
    }
  });

  it('keep within workgroup memory and the size of a workgroup', () => {
    const of = (...most: [bytes: number, lanes?: number]) =>
      matrixTiles({ ...hopper, limits: limits(...most) }).map(({ rows }) => rows);
    expect(of(49_152)).toEqual([64, 64, 32, 16, 16]);
    expect(of(49_152, 128)).toEqual([64, 32, 16, 16]);
    expect(of(16_384)).toEqual([32, 16, 16]);
    expect(() => planMatmul({ m: 8, n: 8, k: 8, precision: 'f16' }, { ...hopper, limits: limits(4096) })).toThrow(
      'matmul: precision f16 needs matrix units, but nvidia-h100-80gb-hbm3 has too little workgroup memory for a tile',
    );
  });

  it('are refused by name without the units', () => {
    for (const [lacking, words] of [
      [{ software: true }, 'is a program on the processor, which only imitates matrix units'],
      [{ f16: false }, 'does not compute in f16 (the feature shader-f16)'],
      [{ matrixConfigurations: [] }, 'offers no matrix units (the feature chromium-experimental-subgroup-matrix)'],
      [{ subgroupSize: [8, 32] as const }, 'has subgroups of 8 to 32, not of one size'],
      [
        { matrixConfigurations: hopper.matrixConfigurations.slice(0, 1) },
        'has matrix units of other kinds only: 16x16x16 f16→f16',
      ],
    ] as const) {
      expect(matrixObstacle({ ...hopper, ...lacking })).toBe(words);
      const asked = () => planMatmul({ m: 8, n: 8, k: 8, precision: 'f16' }, { ...hopper, ...lacking });
      expect(asked).toThrow(InputError);
      expect(asked).toThrow(`matmul: precision f16 needs matrix units, but ${hopper.name} ${words}`);
    }
    expect(matrixObstacle(hopper)).toBeNull();
  });

  it.each(units)('compile for units of $m x $n x $k', async (unit) => {
    await using checker = await openNullDevice();
    const capabilities = { ...hopper, matrixConfigurations: [unit] };
    const tiles = matrixTiles(capabilities);
    expect(tiles).toHaveLength(5);
    const slice = { size: 2 ** 30 };
    const texts = new Map<string, string>();
    const recorder = {
      dispatch({ declaration }: Parameters<Device['recorder']['dispatch']>[0], { constants }: { constants: object }) {
        const text = renderKernel(declaration, resolveConstants(declaration, constants as never), true);
        texts.set(text, `${declaration.name} ${JSON.stringify(constants)}`);
      },
    };
    const stub = { capabilities, memory: { allocate: () => slice, releaseEarly: () => {} }, recorder } as never;
    const compile = (tile: MatrixTile, c: Partial<MatmulArguments>, splits = 1) => {
      const shape = { m: 64, n: 64, k: 64 };
      matmul(stub, { ...shape, a: slice, b: slice, out: slice, ...c, plan: planBy(tile, splits) } as never);
    };
    const [, , small] = tiles;
    for (const tile of tiles) {
      for (const layout of [0, 1, 2, 3]) compile(tile, { transposeA: layout > 1, transposeB: layout % 2 > 0 });
    }
    // As LoRA layers multiply, forwards and backwards, and what is divided.
    const mask = { probability: 0.5, seed: 1, stream: 1, counter: 1 };
    const update = { a: slice, b: slice, rank: 8 };
    for (const [c, splits] of [
      [{ transposeB: true, update: { ...update, transposeB: true }, dropout: { of: 'update', ...mask } }, 1],
      [{ update, dropout: { of: 'update', ...mask } }, 2],
      [{ update: { ...update, rank: 16 }, b: { bits: 4, scaling: 'scale', quants: slice, scales: slice } }, 1],
      [{ transposeB: true, dropout: { of: 'a', ...mask } }, 1],
      [{ transposeA: true, dropout: { of: 'b', ...mask } }, 1],
    ] as const)
      compile(small!, c as never, splits);
    // Storages have nothing to do with units.
    for (const n of unit === units[0] ? [64, 66] : []) {
      for (const transposeB of [false, true]) {
        const epilogue = { n, transposeB, bias: slice as never, accumulate: true };
        compile(small!, epilogue);
        for (const b of narrow(slice)) compile(small!, { ...epilogue, b: b as never });
      }
    }
    for (const [code, name] of texts) {
      const { messages } = await checker.gpu.createShaderModule({ code }).getCompilationInfo();
      expect(messages.map(({ lineNum, message }) => `${name}, line ${lineNum}: ${message}`)).toEqual([]);
    }
  });
});

/** An operand of each storage. */
function narrow(slice: object): object[] {
  const scalings = {
    8: ['scale'],
    4: ['scale', 'line', 'super-line'],
    5: ['scale', 'line', 'super-line'],
    6: ['super-scale'],
  };
  return [
    ...[false, true].map((bfloat) => ({ bits: 16, bfloat, values: slice })),
    ...Object.entries(scalings).flatMap(([bits, all]) =>
      all.map((scaling) => ({ bits: Number(bits), scaling, quants: slice, scales: slice })),
    ),
  ];
}
