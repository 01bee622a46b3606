/** Benchmarks of the gated fusion of a batch of prompts, forward and backward. */
import { buildSegments, gatedFusion, gatedFusionBackward } from '@crossgate/kernels';
import { type BenchContext, bytesOf, type LauncherBench, sizes } from '../../test/bench';

const { tokens, hidden, vocab } = sizes;
/** Positions that belong to a title. */
const titles = tokens / 4;

/** A prompt batch: one position in four belongs to a title, so it has a CF row and a text row. */
function fusionInputs(context: BenchContext) {
  const cfCount = 40;
  const textCount = 150;
  const isTitle = (i: number) => i % 4 === 0;
  const rowsBelow = (bound: number) => {
    const rows = context.hostIntegers(tokens, bound);
    return Int32Array.from(rows, (row, i) => (isTitle(i) ? row : -1));
  };
  const cfRows = rowsBelow(cfCount);
  const textRows = rowsBelow(textCount);
  const segments = (rows: Int32Array) => {
    const { offsets, positions, targets } = buildSegments(rows, true);
    return {
      offsets: context.upload(offsets),
      positions: context.upload(positions),
      targets: context.upload(targets),
      segments: targets.length,
    };
  };
  return {
    cfCount,
    textCount,
    byCf: segments(cfRows),
    byText: segments(textRows),
    shared: {
      tokenIds: context.integers(tokens, vocab),
      cfRows: context.upload(cfRows),
      textRows: context.upload(textRows),
      aligned: context.floats(cfCount * hidden),
      gateCf: context.floats(cfCount * hidden),
      gateText: context.floats(textCount * hidden),
      positions: tokens,
      columns: hidden,
      gateWidth: hidden,
      activation: 'none' as const,
    },
  };
}

export const benches: readonly LauncherBench[] = [
  {
    launcher: 'gatedFusion',
    shape: `${tokens}x${hidden}, ${titles} fused`,
    work: bytesOf(2 * tokens * hidden, 3 * titles * hidden, 3 * tokens),
    prepare: (context) => {
      const { shared } = fusionInputs(context);
      const [tokenEmbeddings, out] = [context.floats(vocab * hidden), context.empty(tokens * hidden)];
      return () => gatedFusion(context.device, { ...shared, tokenEmbeddings, out });
    },
  },
  {
    launcher: 'gatedFusionBackward',
    shape: `${tokens}x${hidden}, ${titles} fused`,
    work: bytesOf(2 * titles * hidden, 3 * titles * hidden, 3 * tokens),
    prepare: (context) => {
      const { shared, byCf, byText, cfCount, textCount } = fusionInputs(context);
      const gradOut = context.floats(tokens * hidden);
      const gradAligned = context.empty(cfCount * hidden);
      const gradGateCf = context.empty(cfCount * hidden);
      const gradGateText = context.empty(textCount * hidden);
      const args = { ...shared, byCf, byText, gradOut, gradAligned, gradGateCf, gradGateText };
      return () => gatedFusionBackward(context.device, args);
    },
  },
];
