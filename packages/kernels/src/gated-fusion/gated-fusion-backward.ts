/** Backward of the gated fusion: products per position, then deterministic segmented sums. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { activationConstants, activationNumbers } from '../elementwise/activations';
import { includes } from '../include';
import { planRows } from '../plan';
import { segmentSum } from '../segment-sum/segment-sum';
import { elements, requireElements, rowRanges } from '../slices';
import { type GatedFusionShape, requireFusionShape } from './gated-fusion';
import source from './gated-fusion-backward.wgsl';

const gatedFusionBackwardKernel = defineKernel({
  name: 'gated-fusion-backward',
  source,
  includes,
  bindings: {
    gradOut: { access: 'read', type: 'Value' },
    aligned: { access: 'read', type: 'Value' },
    gateCf: { access: 'read', type: 'Gate' },
    gateText: { access: 'read', type: 'Gate' },
    cfRows: { access: 'read', type: 'i32' },
    textRows: { access: 'read', type: 'i32' },
    weighted: { access: 'read_write', type: 'Value' },
    gateGradient: { access: 'read_write', type: 'Gate' },
  },
  parameters: { positions: 'u32', valuesPerRow: 'u32', span: 'u32', spansPerRow: 'u32' },
  constants: { ...activationConstants, ACTIVATION: 0, VECTOR: false, GATE_SCALAR: false, WORKGROUP_SIZE: 64 },
});

/** The result of `buildSegments` on the device. */
export interface DeviceSegments {
  /** u32 [segments + 1]: bounds of each target's positions. */
  readonly offsets: BufferSlice;
  /** u32 [n]: positions by target. */
  readonly positions: BufferSlice;
  /** u32 [segments]: distinct rows, ascending. */
  readonly targets: BufferSlice;
  /** Number of distinct targets. */
  readonly segments: number;
}

/** Arguments of {@link gatedFusionBackward}. */
export interface GatedFusionBackwardArguments extends GatedFusionShape {
  /** f32 [positions, columns] */
  readonly gradOut: BufferSlice;
  /** As in the forward pass. */
  readonly aligned: BufferSlice;
  /** As in the forward pass. */
  readonly gateCf?: BufferSlice | undefined;
  /** As in the forward pass. */
  readonly gateText?: BufferSlice | undefined;
  /** Positions by CF row: `buildSegments(cfRows, true)`. */
  readonly byCf: DeviceSegments;
  /** Positions by text row: `buildSegments(textRows, true)`. Used with gates only. */
  readonly byText: DeviceSegments;
  /** f32, shaped as `aligned`; replaced, zero in rows that no position uses. */
  readonly gradAligned: BufferSlice;
  /** f32, shaped as `gateCf`; replaced. Needed with gates. */
  readonly gradGateCf?: BufferSlice | undefined;
  /** f32, shaped as `gateText`; replaced. Needed with gates. */
  readonly gradGateText?: BufferSlice | undefined;
}

/**
 * Gradients of `gatedFusion` by the aligned vectors and both gates. The token embeddings are frozen and get none.
 *
 * @throws InputError for slices smaller than their shapes, or gates without room for their gradients.
 */
export function gatedFusionBackward(device: Device, args: GatedFusionBackwardArguments): void {
  const { gradOut, aligned, gateCf, gateText, cfRows, textRows, byCf, byText } = args;
  const { gradAligned, gradGateCf, gradGateText, positions, columns, gateWidth, activation } = args;
  device.recorder.clear(gradAligned);
  if (gradGateCf) device.recorder.clear(gradGateCf);
  if (gradGateText) device.recorder.clear(gradGateText);
  if (positions === 0) return;
  requireFusionShape('gatedFusionBackward', args);
  requireElements('gatedFusionBackward', 'gradOut', gradOut, positions * columns);
  requireElements('gatedFusionBackward', 'gradAligned', gradAligned, Math.floor(aligned.size / 4));
  const scatter = (values: BufferSlice, by: DeviceSegments, out: BufferSlice, width: number) =>
    segmentSum(device, {
      values,
      segmentOffsets: by.offsets,
      segmentPositions: by.positions,
      targets: by.targets,
      out,
      segments: by.segments,
      columns: width,
    });
  if (gateCf === undefined || gateText === undefined) {
    scatter(elements(gradOut, 0, positions * columns), byCf, gradAligned, columns);
    return;
  }
  if (gradGateCf === undefined || gradGateText === undefined) {
    throw new InputError('gatedFusionBackward: gradGateCf and gradGateText are needed with gates');
  }
  const weighted = device.memory.allocate(4 * positions * columns);
  const gateGradient = device.memory.allocate(4 * positions * gateWidth);
  const scalar = gateWidth === 1;
  for (const { first, count } of rowRanges('gatedFusionBackward', device, positions, [columns, 1])) {
    const plan = planRows({ rows: count, columns }, device.capabilities);
    const spansPerRow = scalar ? 1 : plan.spansPerRow;
    device.recorder.dispatch(gatedFusionBackwardKernel, {
      bindings: {
        gradOut: elements(gradOut, first * columns, count * columns),
        aligned,
        gateCf,
        gateText,
        cfRows: elements(cfRows, first, count),
        textRows: elements(textRows, first, count),
        weighted: elements(weighted, first * columns, count * columns),
        gateGradient: elements(gateGradient, first * gateWidth, count * gateWidth),
      },
      parameters: {
        positions: count,
        valuesPerRow: plan.valuesPerRow,
        span: scalar ? plan.valuesPerRow : plan.span,
        spansPerRow,
      },
      constants: {
        ACTIVATION: activationNumbers[activation],
        VECTOR: plan.vector,
        GATE_SCALAR: scalar,
        WORKGROUP_SIZE: plan.workgroupSize,
      },
      workgroups: Math.ceil((count * spansPerRow) / plan.workgroupSize),
    });
  }
  scatter(weighted, byCf, gradAligned, columns);
  scatter(gateGradient, byCf, gradGateCf, gateWidth);
  scatter(gateGradient, byText, gradGateText, gateWidth);
  device.memory.releaseEarly(weighted);
  device.memory.releaseEarly(gateGradient);
}
