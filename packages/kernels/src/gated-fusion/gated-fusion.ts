/** Gated fusion (eq. 4) with its lookups: token embedding + α ⊙ aligned CF vector, position by position. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { activationConstants, activationNumbers } from '../elementwise/activations';
import { includes } from '../include';
import { planRows, rowConstants, spreadRows } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './gated-fusion.wgsl';

const gatedFusionKernel = defineKernel({
  name: 'gated-fusion',
  source,
  includes,
  bindings: {
    tokenEmbeddings: { access: 'read', type: 'Value' },
    tokenIds: { access: 'read', type: 'i32' },
    cfRows: { access: 'read', type: 'i32', when: 'FUSE' },
    textRows: { access: 'read', type: 'i32', when: 'GATED' },
    aligned: { access: 'read', type: 'Value', when: 'FUSE' },
    gateCf: { access: 'read', type: 'Gate', when: 'GATED' },
    gateText: { access: 'read', type: 'Gate', when: 'GATED' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: {
    positions: 'u32',
    valuesPerRow: 'u32',
    spansPerRow: 'u32',
    firstToken: 'u32',
    partTokens: 'u32',
  },
  constants: {
    ...{ ...rowConstants, ...activationConstants },
    ...{ ACTIVATION: 0, FUSE: true, GATED: false, GATE_SCALAR: false },
  },
});

/** What is applied to the sum of the gates; `none` leaves it as it is. */
export type GateActivation = 'none' | 'sigmoid' | 'tanh';

/** The sizes and rows that forward and backward share. */
export interface GatedFusionShape {
  /** i32 [positions]; −1 = no token. */
  readonly tokenIds: BufferSlice;
  /** i32 [positions], rows of `aligned` and `gateCf`; −1 = no CF vector. */
  readonly cfRows: BufferSlice;
  /** i32 [positions], rows of `gateText`; −1 = α is 1. */
  readonly textRows: BufferSlice;
  /** Positions of the batch; 0 does nothing. */
  readonly positions: number;
  /** d, the width of embeddings and aligned vectors. */
  readonly columns: number;
  /** Width of the gates: `columns`, or 1 for one scalar per position. */
  readonly gateWidth: number;
  /** Applied to the sum of both gates. */
  readonly activation: GateActivation;
}

/** Arguments of {@link gatedFusion}. */
export interface GatedFusionArguments extends GatedFusionShape {
  /** f32 [vocab, columns]; larger than one binding is fine. */
  readonly tokenEmbeddings: BufferSlice;
  /** f32 [distinct users or items, columns] */
  readonly aligned: BufferSlice;
  /** f32 [as aligned, gateWidth]: the gate's share of the CF vector. Without both gates α = 1 everywhere. */
  readonly gateCf?: BufferSlice | undefined;
  /** f32 [distinct tokens, gateWidth]: the gate's share of the token. */
  readonly gateText?: BufferSlice | undefined;
  /** f32 [positions, columns] */
  readonly out: BufferSlice;
}

/** Checks what forward and backward share. @throws InputError for a wrong gate or a slice that is too small. */
export function requireFusionShape(
  kernel: string,
  args: GatedFusionShape & { readonly gateCf?: BufferSlice | undefined; readonly gateText?: BufferSlice | undefined },
): void {
  const { positions, columns, gateWidth } = args;
  requireSizes(kernel, { positions, columns });
  if ((args.gateCf === undefined) !== (args.gateText === undefined)) {
    throw new InputError(`${kernel}: gateCf and gateText are needed together`);
  }
  if (args.gateCf && gateWidth !== 1 && gateWidth !== columns) {
    throw new InputError(`${kernel}: gateWidth ${gateWidth} must be 1 or the ${columns} columns`);
  }
  for (const name of ['tokenIds', 'cfRows', 'textRows'] as const) {
    requireElements(kernel, name, args[name], positions);
  }
}

/**
 * out[p] = (tokenIds[p] ≥ 0 ? E[tokenIds[p]] : 0) + (cfRows[p] ≥ 0 ? α_p ⊙ aligned[cfRows[p]] : 0) with α_p = 1 where
 * textRows[p] = −1, else activation(gateCf[cfRows[p]] + gateText[textRows[p]]). Rows must lie in their tables.
 *
 * @throws InputError for slices smaller than their shapes, one gate without the other, or a wrong gate width.
 */
export function gatedFusion(device: Device, args: GatedFusionArguments): void {
  const { tokenEmbeddings, aligned, gateCf, gateText, tokenIds, cfRows, textRows, out } = args;
  const { positions, columns, gateWidth, activation } = args;
  if (positions === 0) return;
  requireFusionShape('gatedFusion', args);
  requireElements('gatedFusion', 'out', out, positions * columns);
  requireElements('gatedFusion', 'tokenEmbeddings', tokenEmbeddings, columns);
  const gated = gateCf !== undefined;
  const vocab = Math.floor(tokenEmbeddings.size / 4 / columns);
  const tokenParts = rowRanges('gatedFusion', device, vocab, [columns]);
  for (const { first, count } of rowRanges('gatedFusion', device, positions, [columns, 1])) {
    const plan = planRows({ rows: count, columns }, device.capabilities);
    const { constants, workgroups } = spreadRows(plan);
    tokenParts.forEach((tokens, index) => {
      const fuse = index === 0;
      device.recorder.dispatch(gatedFusionKernel, {
        bindings: {
          tokenEmbeddings: elements(tokenEmbeddings, tokens.first * columns, tokens.count * columns),
          tokenIds: elements(tokenIds, first, count),
          cfRows: fuse ? elements(cfRows, first, count) : undefined,
          textRows: fuse && gated ? elements(textRows, first, count) : undefined,
          aligned: fuse ? aligned : undefined,
          gateCf: fuse ? gateCf : undefined,
          gateText: fuse ? gateText : undefined,
          out: elements(out, first * columns, count * columns),
        },
        parameters: {
          positions: count,
          valuesPerRow: plan.valuesPerRow,
          spansPerRow: plan.spansPerRow,
          firstToken: tokens.first,
          partTokens: tokens.count,
        },
        constants: {
          ...constants,
          ACTIVATION: activationNumbers[activation],
          FUSE: fuse,
          GATED: fuse && gated,
          GATE_SCALAR: gateWidth === 1,
        },
        workgroups,
      });
    });
  }
}
