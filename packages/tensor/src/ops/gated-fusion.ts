// The input embeddings of a hybrid prompt (CCF-LLM, eq. 4): one gather, gate and multiply-add for text, items and
// users.
import { InputError } from '@crossgate/gpu';
import { gatedFusionBackward, gatedFusion as launch } from '@crossgate/kernels';
import { type Backward, record, willRecord } from '../tape';
import { empty, expectTensor, fromHost, type Tensor } from '../tensor';
import { type DeviceIndices, uploadSegments } from './embedding';

/** Row numbers at positions: on the host, or i32 on the device, there with segments where gradients flow to the rows. */
export type PositionRows = Int32Array | DeviceIndices;

/** The token and the vector at each position of a packed batch, in three arrays of equal length; −1 means "none". */
export interface FusionPositions<Rows extends PositionRows = PositionRows> {
  /** Token whose embedding is added, a row of `tokenEmbeddings`; −1 at user slots. */
  readonly tokenIds: Rows;
  /** Row of `aligned` that is added; −1 at plain text. */
  readonly cfRows: Rows;
  /** Row of `gateText`; −1 where the aligned vector is added without a gate. */
  readonly textRows: Rows;
}

/** The vectors and gates that {@link gatedFusion} combines; all f32. */
export interface GatedFusionInputs {
  /** Token embeddings [vocab, hidden]. Frozen: no gradient flows to them. */
  readonly tokenEmbeddings: Tensor;
  /** Collaborative vectors, mapped to the language model's width [cfRows, hidden]. */
  readonly aligned: Tensor;
  /** The part of the gate that the aligned vector gives [cfRows, width], with width = hidden or 1. Absent: α = 1. */
  readonly gateCf?: Tensor | undefined;
  /** The part of the gate that the text token gives [textRows, width]. Needed exactly where `gateCf` is given. */
  readonly gateText?: Tensor | undefined;
  /** Function that turns the sum of both parts into the gate α. */
  readonly activation: 'none' | 'sigmoid' | 'tanh';
}

/**
 * The input embeddings of a hybrid prompt (CCF-LLM, eq. 4): out[p] = E[token] + α ⊙ aligned[cf] with the gate
 * α = activation(gateCf[cf] + gateText[text]). Without a text row α = 1; a term whose index is −1 is absent.
 *
 * @returns f32 [positions, hidden].
 * @throws InputError for another dtype or shape, for one part of the gate without the other, for positions of unequal
 * lengths, and for those on the device without segments where a gradient flows to their rows. Indices are not checked.
 */
export function gatedFusion(inputs: GatedFusionInputs, positions: FusionPositions): Tensor {
  const { tokenEmbeddings, aligned, gateCf, gateText, activation } = inputs;
  const { device, columns } = tokenEmbeddings;
  expectTensor('gatedFusion', 'tokenEmbeddings', tokenEmbeddings, 'f32', [-1, columns]);
  expectTensor('gatedFusion', 'aligned', aligned, 'f32', [-1, columns]);
  const gateWidth = gateCf?.columns ?? columns;
  if (gateCf) expectTensor('gatedFusion', 'gateCf', gateCf, 'f32', [aligned.rows, gateWidth]);
  if (gateText) expectTensor('gatedFusion', 'gateText', gateText, 'f32', [-1, gateWidth]);
  const given = positions.tokenIds;
  const count = ArrayBuffer.isView(given) ? given.length : given.indices.size;
  const upload = (name: keyof FusionPositions) => {
    const rows = positions[name];
    const indices = ArrayBuffer.isView(rows) ? fromHost(device, [rows.length], rows) : rows.indices;
    expectTensor('gatedFusion', name, indices, 'i32', [count]);
    return indices;
  };
  const [tokenIds, cfRows, textRows] = [upload('tokenIds'), upload('cfRows'), upload('textRows')];
  const out = empty(device, [count, columns]);
  const common = {
    aligned: aligned.slice,
    gateCf: gateCf?.slice,
    gateText: gateText?.slice,
    tokenIds: tokenIds.slice,
    cfRows: cfRows.slice,
    textRows: textRows.slice,
    positions: count,
    columns,
    gateWidth,
    activation,
  };
  launch(device, { ...common, tokenEmbeddings: tokenEmbeddings.slice, out: out.slice });
  const gates = [gateCf, gateText].filter((gate) => gate !== undefined);
  if (willRecord([aligned, ...gates])) {
    const segmentsOf = (name: 'cfRows' | 'textRows') => {
      const rows = positions[name];
      const known = ArrayBuffer.isView(rows) ? uploadSegments(device, rows) : rows.segments;
      if (known === null)
        throw new InputError(`gatedFusion: a gradient flows to the rows of ${name}, without segments`);
      return known;
    };
    const byCf = segmentsOf('cfRows');
    // Read with gates only.
    const byText = gates.length > 0 ? segmentsOf('textRows') : byCf;
    const segments = [byCf, byText].flatMap(({ offsets, positions: order, targets }) => [offsets, order, targets]);
    const slices = (s: typeof byCf) => ({
      offsets: s.offsets.slice,
      positions: s.positions.slice,
      targets: s.targets.slice,
      segments: s.segments,
    });
    const exact = [tokenIds, cfRows, textRows, ...segments];
    const backward: Backward = ([gradient], into) => {
      const gradAligned = empty(device, aligned.shape);
      const gradGateCf = gateCf && empty(device, gateCf.shape);
      const gradGateText = gateText && empty(device, gateText.shape);
      gatedFusionBackward(device, {
        ...common,
        aligned: into.saved(aligned).slice,
        gateCf: gateCf && into.saved(gateCf).slice,
        gateText: gateText && into.saved(gateText).slice,
        gradOut: gradient!.slice,
        byCf: slices(byCf),
        byText: slices(byText),
        gradAligned: gradAligned.slice,
        gradGateCf: gradGateCf?.slice,
        gradGateText: gradGateText?.slice,
      });
      into.give(aligned, gradAligned);
      if (gateCf && gradGateCf) into.give(gateCf, gradGateCf);
      if (gateText && gradGateText) into.give(gateText, gradGateText);
    };
    record('gatedFusion', [aligned, ...gates], [out], [aligned, ...gates], backward, { exact });
  }
  return out;
}
