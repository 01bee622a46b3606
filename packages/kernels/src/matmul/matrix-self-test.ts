// Whether a GPU's matrix units compute what they should, by products that are known.
import { type Device, ValidationError } from '@crossgate/gpu';
import { matmul } from './matmul';
import { type MatrixTile, matrixTiles } from './matrix-tiles';
import { planMatmul } from './plan';

/** More than a tile and a slab, and ragged. */
const [m, n, k] = [132, 140, 68];

/** The row of a in which a value is too large for a half. */
const largeRow = 5;

/** Halves of small whole numbers: exact in f16, and so are their sums in f32. */
const values = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed) % 17) - 8) / 2);

/** The layouts of a linear layer: forward, gradient of its input, gradient of its weight. */
const layouts = [
  { transposeA: false, transposeB: true },
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
] as const;

/**
 * Multiplies known matrices on the matrix units of a device, by every tile that plans choose. Drivers that offer these
 * units are young: ask before results depend on them. Opens a step of its own.
 *
 * @param tiles for tests. Default: all that the device has room for.
 * @returns what is wrong, in words that end a sentence; null where all is right.
 * @throws DeviceLostError where the device does not survive it.
 */
export async function checkMatrixUnits(
  device: Device,
  tiles: readonly MatrixTile[] = matrixTiles(device.capabilities),
): Promise<string | null> {
  for (const [index, tile] of tiles.entries()) {
    const layout = layouts[index % layouts.length]!;
    try {
      const wrong = wrongElement(await productBy(device, tile, layout), layout);
      if (wrong === null) continue;
      const { unitM, unitN, unitK } = tile;
      return `multiply wrongly: units of ${unitM}x${unitN}x${unitK} in tiles of ${tile.rows}x${tile.columns} gave ${wrong}`;
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      return `do not compile: ${error.message}`;
    }
  }
  return null;
}

type Layout = (typeof layouts)[number];

async function productBy(device: Device, matrix: MatrixTile, layout: Layout): Promise<Float32Array> {
  using _ = device.step();
  const upload = (array: Float32Array) => {
    const slice = device.memory.allocate(array.byteLength);
    device.recorder.write(slice, array);
    return slice;
  };
  const a = values(m * k, 1);
  a[layout.transposeA ? largeRow : largeRow * k] = 70_000;
  const out = device.memory.allocate(4 * m * n);
  matmul(device, {
    ...{ a: upload(a), b: upload(values(k * n, 5)), out, m, n, k, ...layout },
    plan: (shape) => ({
      ...planMatmul(shape, { ...device.capabilities, software: false }),
      ...{ variant: 'matrix', rows: matrix.rows, columns: matrix.columns, innerStep: matrix.innerStep, matrix },
      workgroupSize: matrix.subgroupRows * matrix.subgroupColumns * matrix.subgroupSize,
      uniformTiles: Math.ceil(m / (matrix.rows * matrix.subgroupRows)),
      laneTiles: Math.ceil(n / (matrix.columns * matrix.subgroupColumns)),
    }),
  });
  return new Float32Array(await device.recorder.read(out));
}

/** The first element that is not what it should be, in words; null where there is none. */
function wrongElement(product: Float32Array, { transposeA, transposeB }: Layout): string | null {
  const [a, b] = [values(m * k, 1), values(k * n, 5)];
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
    if (i !== largeRow && value !== sum) return `${value} in place of ${sum} at row ${i}, column ${j}`;
  }
  return null;
}
