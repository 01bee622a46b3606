// Whether a GPU's matrix units compute what they should, by products that are known.
import type { Device } from '@crossgate/gpu';
import { narrow } from '../narrow/narrow';
import { faultOf } from '../self-test';
import { type MatmulShape, matmul } from './matmul';
import { type MatrixTile, matrixTiles } from './matrix-tiles';
import { planByTile } from './plan';

/** A product that is known: by which tile, of which operands. */
interface Case extends Required<Omit<MatmulShape, 'precision'>> {
  readonly tile: MatrixTile;
  /** b is stored in halves. */
  readonly halves: boolean;
  /** Parts of the inner axis. */
  readonly splits: number;
  /** With the product of a LoRA layer, and dropout of it that leaves nothing out. */
  readonly update: boolean;
}

/** Inner axis of an update. */
const rank = 8;

/** More than a tile and a slab, and ragged; read by the four. */
const shape = { m: 132, n: 140, k: 68 };

/** Read one by one. */
const oddShape = { m: 131, n: 139, k: 67 };

/** The layouts of a linear layer: forward, gradient of its input, gradient of its weight. */
const [forward, ...backward] = [
  { transposeA: false, transposeB: true },
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
] as const;

/** The row of a in which a value is too large for a half. */
const largeRow = 5;

/** Halves of small whole numbers: exact in f16, and so are their sums in f32. */
const values = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed) % 17) - 8) / 2);

/**
 * Every tile in every layout. What has nothing to do with tiles, by the first of them: b in halves, odd extents, a divided
 * inner axis, and updates.
 */
function casesOf(tiles: readonly MatrixTile[]): readonly Case[] {
  const plain = { ...shape, halves: false, splits: 1, update: false };
  const layouts = [forward, ...backward];
  return [
    ...tiles.flatMap((tile) => layouts.map((layout) => ({ ...plain, ...layout, tile }))),
    ...tiles.slice(0, 1).flatMap((tile) => [
      { ...plain, ...forward, tile, halves: true },
      { ...plain, ...forward, tile, ...oddShape },
      { ...plain, ...backward[1], tile, splits: 2 },
      { ...plain, ...forward, tile, update: true },
      { ...plain, ...forward, tile, update: true, halves: true, splits: 2 },
    ]),
  ];
}

/**
 * Multiplies known matrices on the matrix units of a device, by every tile that plans choose, in every layout of a linear
 * layer. Drivers that offer these units are young: ask before results depend on them. Opens a step of its own. Errors of
 * kernels that do not compile are a part of the answer; the device can be used as before.
 *
 * @param tiles for tests. Default: all that the device has room for.
 * @returns what is wrong, in words that end a sentence; null where all is right.
 * @throws DeviceLostError where the device does not survive it.
 */
export async function checkMatrixUnits(
  device: Device,
  tiles: readonly MatrixTile[] = matrixTiles(device.capabilities),
): Promise<string | null> {
  const cases = casesOf(tiles);
  const record = () => cases.map((each) => recordProduct(device, each));
  return faultOf(device, record, (products) => {
    for (const [index, each] of cases.entries()) {
      const wrong = wrongElement(products[index]!, each);
      if (wrong === null) continue;
      const { unitM, unitN, unitK, rows, columns } = each.tile;
      return `multiply wrongly: units of ${unitM}x${unitN}x${unitK} in tiles of ${rows}x${columns} gave ${wrong}`;
    }
    return null;
  });
}

/** Records a product; gives where it will be. */
function recordProduct(device: Device, { tile, halves, splits, update, ...rest }: Case) {
  const { m, n, k, transposeA } = rest;
  const upload = (array: Float32Array) => {
    const slice = device.memory.allocate(array.byteLength);
    device.recorder.write(slice, array);
    return slice;
  };
  const left = values(m * k, 1);
  left[transposeA ? largeRow : largeRow * k] = 70_000;
  const [a, right, out] = [upload(left), upload(values(k * n, 5)), device.memory.allocate(4 * m * n)];
  const half = halves ? device.memory.allocate(2 * k * n) : null;
  if (half) narrow(device, { x: right, out: half, count: k * n });
  const b = half ? { bits: 16 as const, bfloat: false, values: half } : right;
  const joined = update && {
    update: { a: upload(values(m * rank, 7)), b: upload(values(n * rank, 9)), rank, transposeB: true },
    dropout: { of: 'update' as const, probability: 0, seed: 1, stream: 1, counter: 1 },
  };
  matmul(device, { ...rest, ...joined, a, b, out, plan: (part) => planByTile(part, tile, splits) });
  return out;
}

/** The first element that is not what it should be, in words; null where there is none. */
function wrongElement(product: Float32Array, { m, n, k, transposeA, transposeB, update }: Case): string | null {
  const [a, b] = [values(m * k, 1), values(k * n, 5)];
  const [down, up] = [values(m * rank, 7), values(n * rank, 9)];
  for (const [e, value] of product.entries()) {
    const [i, j] = [Math.floor(e / n), e % n];
    // A value beyond the halves is infinite, and shows: loss scales depend on it.
    const first = b[transposeB ? j * k : j]!;
    if (i === largeRow && first !== 0) {
      if (Number.isFinite(value)) return `${value} where f16 overflows`;
      continue;
    }
    let sum = 0;
    for (let q = 0; q < k; q++) sum += a[transposeA ? q * m + i : i * k + q]! * b[transposeB ? j * k + q : q * n + j]!;
    for (let q = 0; q < (update ? rank : 0); q++) sum += down[i * rank + q]! * up[j * rank + q]!;
    if (i !== largeRow && value !== sum) return `${value} in place of ${sum} at row ${i}, column ${j}`;
  }
  return null;
}
