/** gatedFusion and its backward against float64. */
import {
  gatedFusionBackward as backwardReference,
  expectClose,
  gatedFusion as forwardReference,
  type GatedFusionInputs,
  randomIntegers,
  randomNormal,
  strideRevealing,
} from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { buildSegments } from '../segment-sum/segments';
import { gatedFusion } from './gated-fusion';
import { type DeviceSegments, gatedFusionBackward } from './gated-fusion-backward';

type Device = Parameters<typeof gatedFusion>[0];

const shapes = [
  { positions: 1, columns: 1, vocab: 3, cfCount: 2, textCount: 2 },
  { positions: 17, columns: 7, vocab: 30, cfCount: 5, textCount: 9 },
  { positions: 257, columns: 20, vocab: 900, cfCount: 30, textCount: 65 },
  { positions: 400, columns: 16, vocab: 300, cfCount: 9, textCount: 70 },
  { positions: 65, columns: 63, vocab: 70, cfCount: 20, textCount: 33 },
];
const gates = [
  { gate: 'none', activation: 'none' },
  { gate: 'full', activation: 'none' },
  { gate: 'full', activation: 'sigmoid' },
  { gate: 'full', activation: 'tanh' },
  { gate: 'scalar', activation: 'none' },
  { gate: 'scalar', activation: 'sigmoid' },
] as const;

/** Positions of every kind: token only, token and CF with gate, CF alone (a user slot), a gate without CF, nothing. */
function inputsOf(shape: (typeof shapes)[number], { gate, activation }: (typeof gates)[number]): GatedFusionInputs {
  const { positions, columns, vocab, cfCount, textCount } = shape;
  const gateWidth = gate === 'scalar' ? 1 : columns;
  const tokenId = randomIntegers(positions, vocab, 1);
  const cfRow = randomIntegers(positions, cfCount - 1, 2);
  const textRow = randomIntegers(positions, textCount, 3);
  for (let p = 0; p < positions; p++) {
    if (p % 5 === 1) [cfRow[p], textRow[p]] = [-1, -1];
    if (p % 5 === 2) [tokenId[p], textRow[p]] = [-1, -1];
    if (p % 5 === 3) cfRow[p] = -1;
    if (p % 11 === 7) [tokenId[p], cfRow[p], textRow[p]] = [-1, -1, -1];
  }
  tokenId[positions - 1] = vocab - 1;
  const gated = gate !== 'none';
  return {
    tokenEmbeddings: strideRevealing([vocab, columns]),
    aligned: randomNormal([cfCount, columns], 4),
    gateCf: gated ? randomNormal([cfCount, gateWidth], 5) : null,
    gateText: gated ? randomNormal([textCount, gateWidth], 6) : null,
    tokenId,
    cfRow,
    textRow,
    activation,
  };
}

function uploadSegments(device: Device, rows: Int32Array): DeviceSegments {
  const { offsets, positions, targets } = buildSegments(rows, true);
  // Without any segment there is nothing to bind, but slices cannot be empty.
  const some = (array: Uint32Array) => upload(device, array.length > 0 ? array : new Uint32Array(1));
  return {
    offsets: upload(device, offsets),
    positions: some(positions),
    targets: some(targets),
    segments: targets.length,
  };
}

function deviceInputs(device: Device, inputs: GatedFusionInputs) {
  const columns = inputs.aligned.shape[1]!;
  return {
    aligned: upload(device, inputs.aligned),
    gateCf: inputs.gateCf ? upload(device, inputs.gateCf) : undefined,
    gateText: inputs.gateText ? upload(device, inputs.gateText) : undefined,
    tokenIds: upload(device, Int32Array.from(inputs.tokenId)),
    cfRows: upload(device, Int32Array.from(inputs.cfRow)),
    textRows: upload(device, Int32Array.from(inputs.textRow)),
    positions: inputs.tokenId.length,
    columns,
    gateWidth: inputs.gateCf?.shape[1] ?? columns,
    activation: inputs.activation as 'none' | 'sigmoid' | 'tanh',
  };
}

describe.each(deviceConfigurations)('gatedFusion, $name', ({ options }) => {
  it.each(gates)('forward, gate $gate, activation $activation', async (gate) => {
    await withDevice(async (device) => {
      for (const shape of shapes) {
        const inputs = inputsOf(shape, gate);
        const out = uploadFilled(device, shape.positions * shape.columns);
        const tokenEmbeddings = upload(device, inputs.tokenEmbeddings);
        gatedFusion(device, { ...deviceInputs(device, inputs), tokenEmbeddings, out });
        const label = `gatedFusion ${shape.positions}x${shape.columns}`;
        expectClose(await download(device, out), forwardReference(inputs).data, { absolute: 2e-6, label });
      }
    }, options);
  });

  it.each(gates)('backward, gate $gate, activation $activation', async (gate) => {
    await withDevice(async (device) => {
      for (const shape of shapes) {
        const inputs = inputsOf(shape, gate);
        const gradient = randomNormal([shape.positions, shape.columns], 8);
        const expected = backwardReference(inputs, gradient);
        const like = (array: { data: Float64Array } | null) => array && uploadFilled(device, array.data.length);
        const gradAligned = like(expected.aligned)!;
        const gradGateCf = like(expected.gateCf) ?? undefined;
        const gradGateText = like(expected.gateText) ?? undefined;
        gatedFusionBackward(device, {
          ...deviceInputs(device, inputs),
          gradOut: upload(device, gradient),
          byCf: uploadSegments(device, Int32Array.from(inputs.cfRow)),
          byText: uploadSegments(device, Int32Array.from(inputs.textRow)),
          gradAligned,
          gradGateCf,
          gradGateText,
        });
        const tolerance = { relative: 1e-5, absolute: 3e-5, label: `${shape.positions}x${shape.columns}` };
        expectClose(await download(device, gradAligned), expected.aligned.data, tolerance);
        if (expected.gateCf) expectClose(await download(device, gradGateCf!), expected.gateCf.data, tolerance);
        if (expected.gateText) expectClose(await download(device, gradGateText!), expected.gateText.data, tolerance);
      }
    }, options);
  });
});

it('refuses one gate without the other, and odd gate widths', async () => {
  await withDevice(async (device) => {
    const inputs = inputsOf(shapes[1]!, gates[1]);
    const base = {
      ...deviceInputs(device, inputs),
      tokenEmbeddings: upload(device, inputs.tokenEmbeddings),
      out: uploadFilled(device, 17 * 7),
    };
    expect(() => gatedFusion(device, { ...base, gateText: undefined })).toThrow(/needed together/);
    expect(() => gatedFusion(device, { ...base, gateWidth: 3 })).toThrow(/must be 1 or the 7 columns/);
  });
});
