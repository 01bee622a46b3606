/** Matrix products against float64: every transpose, epilogue and variant on ragged shapes, under lowered limits. */
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { expectClose, philox4x32, uniformFloat } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download, upload, uploadFilled, withDevice } from '../../test/harness';
import type { MatmulArguments, MatmulPlan, MatmulShape, ProductDropout } from './matmul';
import { matmul, planMatmul } from './matmul';

/** Values without symmetry: a wrong stride, transpose or row shows. */
function values(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + seed) + ((i * 37 + seed) % 11) / 11);
}

interface Case extends MatmulShape {
  readonly alpha?: number;
  readonly accumulate?: boolean;
  readonly bias?: boolean;
}

/** Plans as for GPUs, or for software. */
const planFor =
  (device: Device, software: boolean) =>
  (shape: MatmulShape): MatmulPlan =>
    planMatmul(shape, { ...device.capabilities, software });

function expected(c: Case, a: Float32Array, b: Float32Array, bias: Float32Array, before: Float32Array): Float64Array {
  const { m, n, k } = c;
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let q = 0; q < k; q++) {
        sum += a[c.transposeA ? q * m + i : i * k + q]! * b[c.transposeB ? j * k + q : q * n + j]!;
      }
      out[i * n + j] = (c.alpha ?? 1) * sum + (c.bias ? bias[j]! : 0) + (c.accumulate ? before[i * n + j]! : 0);
    }
  }
  return out;
}

async function check(device: Device, c: Case, plan?: (shape: MatmulShape) => MatmulPlan): Promise<void> {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1, accumulate = false } = c;
  const [a, b, bias, before] = [values(m * k, 1), values(k * n, 2), values(n, 3), values(m * n, 4)];
  const step = device.step();
  try {
    const out = accumulate ? upload(device, before) : uploadFilled(device, m * n);
    const args: MatmulArguments = {
      ...{ a: upload(device, a), b: upload(device, b), out, m, n, k, transposeA, transposeB, alpha, accumulate },
      ...(c.bias && { bias: upload(device, bias) }),
      ...(plan && { plan }),
    };
    matmul(device, args);
    const reference = expected(c, a, b, bias, before);
    const largest = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expectClose(await download(device, out), reference, {
      relative: 0,
      absolute: 1e-5 * largest,
      label: JSON.stringify(c),
    });
  } finally {
    step.end();
  }
}

const transposes = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
];
/** m, n, k: vectors of four, ragged, single rows and columns, tall, wide and deep (split). */
const sizes: readonly [number, number, number][] = [
  [1, 1, 1],
  [3, 5, 2],
  [17, 33, 65],
  [65, 3, 257],
  [1, 257, 17],
  [40, 64, 20],
  [8, 8, 64],
  [132, 16, 8],
  [20, 172, 36],
  [16, 12, 1031],
  [7, 9, 1030],
  [20, 18, 1030],
];
/** On GPUs, those of few rows or columns are skinny, the others tiled. */
const variants = ['software', 'GPU'] as const;

describe('matmul', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  for (const variant of variants) {
    const plan = (shape: MatmulShape) => planFor(device, variant === 'software')(shape);
    for (const transpose of transposes) {
      it(`${variant} ${JSON.stringify(transpose)} on ragged shapes`, async () => {
        for (const [m, n, k] of sizes) await check(device, { m, n, k, ...transpose }, plan);
      });
      it(`${variant} ${JSON.stringify(transpose)} with alpha, bias and accumulation`, async () => {
        for (const [m, n, k] of [
          [17, 33, 65],
          [20, 172, 36],
          [16, 12, 1032],
        ] as const) {
          await check(device, { m, n, k, ...transpose, alpha: -0.75, accumulate: true, bias: true }, plan);
          if (variant === 'software') await check(device, { m, n, k, ...transpose, alpha: 3, accumulate: true }, plan);
        }
      });
    }
  }

  it.each([
    { m: 268, n: 264, k: 20, transposeA: true, transposeB: true, sharedBytes: 32_768, innerStep: 16 },
    { m: 261, n: 264, k: 20, sharedBytes: 16_384, innerStep: 8 },
  ])('tiled with large tiles: $m x $n x $k, $sharedBytes bytes of workgroup memory', async (c) => {
    const { limits } = device.capabilities;
    const plan = (shape: MatmulShape) =>
      planMatmul(shape, {
        // Few multiprocessors, all of which these few tiles fill.
        ...{ name: 'apple-m1', architecture: '', software: false },
        limits: { ...limits, maxComputeWorkgroupStorageSize: c.sharedBytes },
      });
    expect(plan(c)).toMatchObject({ variant: 'tiled', rows: 8, vector: true, innerStep: c.innerStep });
    await check(device, c, plan);
  });

  it('every register tile computes the same function', async () => {
    // Narrow and wide outputs choose different tiles; together these use each of them.
    const shapes = [
      [1, 512],
      [3, 4],
      [6, 40],
      [8, 64],
      [300, 8],
      [64, 4],
      [300, 16],
      [600, 16],
      [32, 64],
      [64, 176],
    ] as const;
    const used = new Set<string>();
    for (const [m, n] of shapes) {
      for (const transpose of transposes) {
        const c = { m, n, k: 36, ...transpose };
        const plan = planMatmul(c, { ...device.capabilities, software: true });
        used.add(`${plan.rows}x${plan.columns}${plan.lanesOnRows}`);
        await check(device, c, () => plan);
      }
    }
    expect(used.size).toBeGreaterThanOrEqual(6);
  });

  it.each(variants)('repeats to the same bits (%s)', async (variant) => {
    const step = device.step();
    const [m, n, k] = [20, 24, 4099];
    const a = upload(device, values(m * k, 1));
    const b = upload(device, values(k * n, 2));
    const plan = planFor(device, variant === 'software')({ m, n, k, transposeA: true });
    const results: Float32Array[] = [];
    for (let i = 0; i < 3; i++) {
      const out = uploadFilled(device, m * n);
      matmul(device, { a, b, out, m, n, k, transposeA: true, plan: () => plan });
      results.push(await download(device, out));
    }
    expect(plan.splits).toBeGreaterThan(1);
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    step.end();
  });

  it.each([
    ['software', 5, 7],
    ['skinny', 5, 7],
    ['tiled', 18, 17],
  ] as const)('keeps what is no number within its row and its column (%s)', async (variant, m, n) => {
    // An inner axis of 6: fours read beyond a row's end, what the next row begins with.
    const step = device.step();
    const k = 6;
    const [a, b] = [values(m * k, 1), values(n * k, 2)];
    a[2 * k] = Number.NaN;
    b[3 * k] = Number.POSITIVE_INFINITY;
    const out = uploadFilled(device, m * n);
    const plan = planFor(device, variant === 'software');
    expect(plan({ m, n, k, transposeB: true }).variant).toBe(variant);
    matmul(device, { a: upload(device, a), b: upload(device, b), out, m, n, k, transposeB: true, plan });
    const finite = (await download(device, out)).map((value) => Number(Number.isFinite(value)));
    expect(finite).toEqual(finite.map((_, i) => Number(Math.floor(i / n) !== 2 && i % n !== 3)));
    step.end();
  });

  it('refuses slices that are too small, and an empty inner axis', () => {
    const step = device.step();
    const a = uploadFilled(device, 6);
    const b = uploadFilled(device, 6);
    const out = uploadFilled(device, 4);
    expect(() => matmul(device, { a, b, out, m: 2, n: 2, k: 4 })).toThrow(InputError);
    expect(() => matmul(device, { a, b, out, m: 2, n: 3, k: 2 })).toThrow(/"out" holds 16 bytes, 24 are needed/);
    expect(() => matmul(device, { a, b, out, m: 2, n: 2, k: 0 })).toThrow(/k is 0/);
    step.end();
  });
});

describe('dropout and updates of a product', () => {
  /** What dropout makes of values: see `philox4x32`. */
  const dropped = (x: ArrayLike<number>, { probability, first = 0 }: ProductDropout) =>
    Float32Array.from(x, (value, i) => {
      const words = philox4x32([Math.floor(i / 4) + first / 4, mask.counter, mask.stream, 0], [mask.seed, 0x43524f53]);
      return uniformFloat(words[i % 4]!) >= probability ? value / (1 - probability) : 0;
    });
  const mask = { probability: 0.4, seed: 7, stream: 3, counter: 5, first: 8 };

  interface JoinedCase extends Case {
    readonly of?: ProductDropout['of'];
    readonly update?: { readonly rank: number; readonly transposeB?: boolean };
  }

  async function checkJoined(device: Device, c: JoinedCase, plan?: (shape: MatmulShape) => MatmulPlan) {
    const { m, n, k, of, update, bias: _, ...options } = c;
    const [a, b, before] = [values(m * k, 1), values(k * n, 2), values(m * n, 4)];
    const rank = update?.rank ?? 0;
    const [left, right] = [values(m * rank, 5), values(n * rank, 6)];
    const out = upload(device, before);
    const dropout = of && { of, ...mask };
    matmul(device, {
      ...{ a: upload(device, a), b: upload(device, b), out, m, n, k, ...options, accumulate: true, dropout },
      update: update && { a: upload(device, left), b: upload(device, right), alpha: -2, ...update },
      ...(plan && { plan }),
    });
    const [usedA, usedB] = [of === 'a' ? dropped(a, dropout!) : a, of === 'b' ? dropped(b, dropout!) : b];
    const reference = expected({ ...c, accumulate: true }, usedA, usedB, before, before);
    if (update) {
      const added = expected({ ...update, m, n, k: rank }, left, right, before, before);
      const used = of === 'update' ? dropped(added, dropout!) : added;
      for (const [i, value] of used.entries()) reference[i]! -= 2 * value;
    }
    const largest = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const tolerance = { relative: 0, absolute: 1e-5 * largest, label: JSON.stringify(c) };
    expectClose(await download(device, out), reference, tolerance);
  }

  /** The products of a layer with LoRA: down, up, gradient of the first factor, of the input; read by the four or not. */
  const cases: readonly JoinedCase[] = [
    { m: 40, n: 8, k: 36, transposeB: true, of: 'a' },
    { m: 40, n: 36, k: 20, transposeB: true, update: { rank: 8, transposeB: true } },
    { m: 8, n: 36, k: 40, transposeA: true, of: 'b' },
    { m: 40, n: 36, k: 20, update: { rank: 8 }, of: 'update' },
    // Of a larger rank, also in parts of the inner axis.
    { m: 24, n: 20, k: 36, transposeB: true, of: 'a' },
    { m: 20, n: 36, k: 40, transposeA: true, of: 'b' },
    { m: 24, n: 36, k: 1200, update: { rank: 4 }, of: 'update' },
    // No kernel has a place for these.
    { m: 20, n: 34, k: 18, update: { rank: 8 }, of: 'update' },
    { m: 24, n: 36, k: 20, transposeB: true, alpha: 3, update: { rank: 20 } },
    { m: 7, n: 6, k: 18, of: 'a' },
  ];

  it.each(variants)('are those of what they stand for (%s)', async (variant) => {
    await withDevice(async (device) => {
      for (const c of cases) await checkJoined(device, c, planFor(device, variant === 'software'));
    });
  });

  it('count rows from the first one where operands are divided', async () => {
    const limits = { maxStorageBufferBindingSize: 16_384, maxStorageBuffersPerShaderStage: 8 };
    await withDevice(
      async (device) => {
        for (const c of [
          { m: 300, n: 8, k: 64, transposeB: true, of: 'a' },
          { m: 300, n: 36, k: 20, update: { rank: 8 }, of: 'update' },
          { m: 8, n: 64, k: 300, transposeA: true, of: 'b' },
          { m: 24, n: 64, k: 256, update: { rank: 8 }, of: 'update' },
          // By parts of the columns, for which the kernel has no place.
          { m: 20, n: 256, k: 64, transposeB: true, update: { rank: 8, transposeB: true } },
        ] as const) {
          await checkJoined(device, c, planFor(device, false));
        }
      },
      { limits },
    );
  });

  it('take one dispatch where a kernel has a place for them, also at its second stage', async () => {
    await withDevice(async (device) => {
      const { recorder } = device;
      const dispatch = recorder.dispatch.bind(recorder);
      let count = 0;
      recorder.dispatch = (kernel, args) => {
        count++;
        dispatch(kernel, args);
      };
      const counts: number[] = [];
      for (const c of cases) {
        count = 0;
        await checkJoined(device, c, planFor(device, false));
        counts.push(count);
      }
      expect(counts).toEqual([1, 1, 1, 1, 1, 1, 2, 3, 2, 2]);
    });
  });

  it('are refused where they cannot be', async () => {
    await withDevice(async (device) => {
      const x = uploadFilled(device, 64);
      const shape = { a: x, b: x, out: uploadFilled(device, 64), m: 8, n: 8, k: 8 };
      const call = (more: Partial<MatmulArguments>) => () => matmul(device, { ...shape, ...more });
      expect(call({ dropout: { of: 'update', ...mask } })).toThrow(/dropout of an update, but there is none/);
      expect(call({ dropout: { of: 'a', ...mask, first: 2 } })).toThrow(/first 2 must be a multiple of 4/);
      expect(call({ update: { a: x, b: x, rank: 9 } })).toThrow(/"update.a" holds 256 bytes, 288 are needed/);
      for (const rank of [0, -4, 1.5])
        expect(call({ update: { a: x, b: x, rank } })).toThrow(`update.rank is ${rank}; it must be a positive count`);
      const b = { bits: 16 as const, bfloat: false, values: x };
      expect(call({ b, dropout: { of: 'b', ...mask } })).toThrow(/dropout of b, which is in fewer bits than f32/);
    });
  });
});

describe('matmul under other conditions', () => {
  const cases: Case[] = [];
  for (const transpose of transposes) {
    // Larger than a 64 KiB binding in one operand after another, with ragged and with aligned rows.
    for (const [m, n, k] of [
      [400, 50, 47],
      [416, 48, 96],
      [47, 250, 90],
      [48, 256, 72],
      [24, 16, 1200],
    ] as const) {
      // A bias is divided with the columns in 64s, too many rows of 1200 for this limit.
      cases.push({ m, n, k, ...transpose, bias: k < 1000, accumulate: true, alpha: 2 });
    }
  }
  for (const variant of ['chosen', 'GPU'] as const) {
    it(`splits operands at the binding limit and folds the grid (${variant})`, async () => {
      const limits = {
        maxComputeWorkgroupsPerDimension: 16,
        maxStorageBufferBindingSize: 65_536,
        maxStorageBuffersPerShaderStage: 8,
      };
      const device = await openDevice({ limits });
      try {
        for (const c of variant === 'GPU' ? cases.filter((_, i) => i % 3 === 0) : cases) {
          await check(device, c, variant === 'GPU' ? planFor(device, false) : undefined);
        }
      } finally {
        device.destroy();
      }
    });
  }

  it('works with parameters in a uniform buffer', async () => {
    const device = await openDevice({ immediates: false });
    try {
      for (const c of cases.slice(0, 6)) await check(device, c);
    } finally {
      device.destroy();
    }
  });
});

describe('planMatmul', () => {
  const limits = { maxComputeWorkgroupStorageSize: 16_384 } as never;
  const on = (software: boolean, name: string) => (shape: MatmulShape) =>
    planMatmul(shape, { software, limits, name, architecture: '' });
  const onSoftware = on(true, 'llvmpipe');
  const onHardware = on(false, 'some-gpu');

  it('chooses by adapter', () => {
    const shape = { m: 1200, n: 64, k: 64, transposeB: true };
    expect(onSoftware(shape).variant).toBe('software');
    expect(onHardware(shape).variant).toBe('tiled');
  });

  it('uses wide tiles for wide outputs and narrow ones for LoRA ranks', () => {
    expect(onSoftware({ m: 1200, n: 64, k: 64, transposeB: true })).toMatchObject({
      rows: 16,
      columns: 8,
      vector: true,
    });
    expect(onSoftware({ m: 1200, n: 8, k: 64, transposeB: true })).toMatchObject({
      columns: 8,
      lanesOnRows: true,
    });
    expect(onSoftware({ m: 1, n: 512, k: 64, transposeB: true })).toMatchObject({
      rows: 1,
      lanesOnRows: false,
    });
  });

  it('reads vectors only where every contiguous extent is a multiple of 4', () => {
    expect(onSoftware({ m: 64, n: 64, k: 1201, transposeA: true })).toMatchObject({
      vector: true,
      innerStep: 1,
    });
    expect(onSoftware({ m: 64, n: 64, k: 1201 }).vector).toBe(false);
    expect(onSoftware({ m: 65, n: 64, k: 64, transposeA: true }).vector).toBe(false);
  });

  it('splits deep products of small outputs and covers the inner axis', () => {
    for (const plan of [onSoftware, onHardware]) {
      for (const k of [1, 250, 4801, 20_000]) {
        const { splits, innerPerSplit } = plan({ m: 64, n: 64, k, transposeA: true });
        expect(splits * innerPerSplit).toBeGreaterThanOrEqual(k);
        expect((splits - 1) * innerPerSplit).toBeLessThan(k);
        expect(splits > 1).toBe(k >= 4801);
      }
    }
    expect(onSoftware({ m: 1200, n: 64, k: 64 }).splits).toBe(1);
  });

  it('splits on hardware where the tiles leave more than a quarter of the multiprocessors idle', () => {
    const [onH100, onM1] = [on(false, 'nvidia-h100-80gb-hbm3'), on(false, 'apple-m1')];
    const large = { rows: 8, columns: 8 };
    const small = { rows: 4, columns: 4 };
    // Of three prompts of 700 tokens: SmolLM2's feed-forward (204 tiles for 132 multiprocessors), attention output, and
    // keys (198 halves of tiles), or as many of 96 columns; of a 7B model feed-forward down.
    for (const [n, k, tile, parts] of [
      [1536, 576, large, 1],
      [576, 576, { ...small, workgroupSize: 256 }, 1],
      [192, 576, { ...small, workgroupSize: 128 }, 1],
      [96, 576, { ...small, workgroupSize: 128 }, 2],
      [4096, 11_008, large, 1],
    ] as const) {
      const shape = { m: 2100, n, k, transposeB: true };
      expect(onH100(shape)).toMatchObject({ ...tile, splits: parts });
      expect(onHardware(shape)).toMatchObject({ ...tile, splits: parts });
      expect(onM1(shape).splits).toBe(1);
    }
    expect(onH100({ m: 64, n: 64, k: 20_000 }).splits).toBe(64);
    // Of few rows: four workgroups alone would walk the inner axis.
    expect(onH100({ m: 8, n: 64, k: 20_000 })).toMatchObject({ variant: 'tiled', splits: 64 });
    expect(onH100({ m: 8, n: 64, k: 2048 })).toMatchObject({ variant: 'skinny' });
  });

  it('takes skinny products on hardware, whose invocations share a long inner axis', () => {
    // Of LoRA: down, and the gradients of both factors; of one token; of a few.
    for (const [m, n, k, plan] of [
      [2100, 8, 576, { rows: 4, columns: 8, lanesOnRows: true, workgroupSize: 128, laneTiles: 132 }],
      [8, 576, 2100, { rows: 8, columns: 4, lanesOnRows: false, workgroupSize: 256, laneTiles: 36 }],
      [576, 8, 2100, { rows: 4, columns: 8, lanesOnRows: true, workgroupSize: 256, laneTiles: 36 }],
      [1, 4096, 4096, { rows: 1, columns: 4, lanesOnRows: false, workgroupSize: 256, uniformTiles: 1 }],
      [3, 512, 64, { rows: 4, columns: 4, lanesOnRows: false, workgroupSize: 32, uniformTiles: 1 }],
      [16, 4096, 4096, { rows: 8, columns: 4, uniformTiles: 2, laneTiles: 256 }],
    ] as const) {
      expect(onHardware({ m, n, k })).toMatchObject({ variant: 'skinny', splits: 1, ...plan });
    }
    expect(onHardware({ m: 17, n: 4096, k: 4096 }).variant).toBe('tiled');
  });

  it('keeps both tiles within workgroup memory', () => {
    const shape = { m: 2100, n: 4096, k: 4096 };
    for (const [bytes, innerStep] of [
      [16_384, 8],
      [16_896, 16],
      [49_152, 16],
    ] as const) {
      const device = { software: false, limits: { maxComputeWorkgroupStorageSize: bytes } as never };
      expect(planMatmul(shape, { ...device, name: '', architecture: '' })).toMatchObject({ rows: 8, innerStep });
    }
  });
});
