/** Benchmarks of lookups, fusion and losses. */
import type { Device } from '@crossgate/gpu';
import {
  bceWithLogits,
  buildSegments,
  crossEntropy,
  gatedFusion,
  gatedFusionBackward,
  gather,
  logSumExp,
  segmentSum,
  sparsePropagation,
  yesNoLoss,
} from '@crossgate/kernels';
import { type BenchContext, bytesOf, type KernelBench, sizes } from './bench';

const { tokens, hidden, vocab, cfBatch, cfDim, items } = sizes;
const lookups = cfBatch * cfDim;

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
    titles: Math.ceil(tokens / 4),
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

/** Entries of MovieLens-1M's graph of train positives. */
const graphEntries = 18_192;

const titlePositions = tokens / 4;

/** Cross entropy or the like: logits in, loss and gradient out. */
function lossBench(
  kernel: string,
  launcher: string,
  rows: number,
  note: string,
  record: (device: Device, context: BenchContext) => () => void,
): KernelBench {
  return {
    kernel,
    launcher,
    shape: `${rows}x${vocab}${note && ` ${note}`}`,
    work: bytesOf(2 * rows * vocab, 2 * rows),
    prepare: (context) => record(context.device, context),
  };
}

export const recommenderBenches: readonly KernelBench[] = [
  {
    kernel: 'gather',
    launcher: 'gather',
    shape: `${cfBatch} rows of ${cfDim} from ${items}`,
    work: bytesOf(2 * lookups, cfBatch),
    prepare: (context) => {
      const [table, indices] = [context.floats(items * cfDim), context.integers(cfBatch, items)];
      const out = context.empty(lookups);
      const shape = { rows: cfBatch, columns: cfDim, tableRows: items };
      return () => gather(context.device, { table, indices, out, ...shape });
    },
  },
  {
    kernel: 'segment-sum',
    launcher: 'segmentSum',
    shape: `${cfBatch} rows of ${cfDim} into ${items}`,
    work: bytesOf(2 * lookups, 3 * cfBatch),
    prepare: (context) => {
      const { offsets, positions, targets } = buildSegments(context.hostIntegers(cfBatch, items));
      const [values, out] = [context.floats(lookups), context.empty(items * cfDim)];
      const segmentOffsets = context.upload(offsets);
      const segmentPositions = context.upload(positions);
      const args = { values, segmentOffsets, segmentPositions, targets: context.upload(targets), out };
      return () => segmentSum(context.device, { ...args, segments: targets.length, columns: cfDim });
    },
  },
  {
    kernel: 'sparse-propagation',
    launcher: 'sparsePropagation',
    shape: `${graphEntries} entries, ${items} rows of ${cfDim}`,
    work: bytesOf(graphEntries * cfDim, items * cfDim, 2 * graphEntries),
    prepare: (context) => {
      const offsets = Uint32Array.from({ length: items + 1 }, (_, r) => Math.floor((r * graphEntries) / items));
      const args = {
        offsets: context.upload(offsets),
        neighbors: context.integers(graphEntries, items),
        weights: context.floats(graphEntries),
        x: context.floats(items * cfDim),
        out: context.empty(items * cfDim),
      };
      return () => sparsePropagation(context.device, { ...args, rows: items, inputRows: items, columns: cfDim });
    },
  },
  {
    kernel: 'gated-fusion',
    launcher: 'gatedFusion',
    shape: `${tokens}x${hidden}, ${titlePositions} fused`,
    work: bytesOf(2 * tokens * hidden, 3 * titlePositions * hidden, 3 * tokens),
    prepare: (context) => {
      const { shared } = fusionInputs(context);
      const [tokenEmbeddings, out] = [context.floats(vocab * hidden), context.empty(tokens * hidden)];
      return () => gatedFusion(context.device, { ...shared, tokenEmbeddings, out });
    },
  },
  {
    kernel: 'gated-fusion',
    launcher: 'gatedFusionBackward',
    shape: `${tokens}x${hidden}, ${titlePositions} fused`,
    work: bytesOf(2 * titlePositions * hidden, 3 * titlePositions * hidden, 3 * tokens),
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
  {
    kernel: 'bce',
    launcher: 'bceWithLogits',
    shape: `${cfBatch}`,
    work: bytesOf(4 * cfBatch),
    prepare: (context) => {
      const logits = context.floats(cfBatch, 3);
      const labels = context.upload(Float32Array.from({ length: cfBatch }, (_, i) => i % 2));
      const [loss, gradLogits] = [context.empty(cfBatch), context.empty(cfBatch)];
      return () => bceWithLogits(context.device, { logits, labels, loss, gradLogits, rows: cfBatch });
    },
  },
  lossBench('cross-entropy', 'crossEntropy', tokens, '', (device, context) => {
    const [logits, targets] = [context.floats(tokens * vocab, 5), context.integers(tokens, vocab)];
    const [loss, gradLogits] = [context.empty(tokens), context.empty(tokens * vocab)];
    return () => crossEntropy(device, { logits, targets, loss, gradLogits, rows: tokens, vocab });
  }),
  lossBench('yes-no-loss', 'yesNoLoss', 16, 'eq5', (device, context) => {
    const rows = 16;
    const logits = context.floats(rows * vocab, 5);
    const labels = context.upload(Float32Array.from({ length: rows }, (_, i) => i % 2));
    const [loss, score] = [context.empty(rows), context.empty(rows)];
    const gradLogits = context.empty(rows * vocab);
    const options = { rows, vocab, yesToken: 7, noToken: 9, kind: 'eq5', k: 2, bprOn: 'probability' } as const;
    return () => yesNoLoss(device, { logits, labels, loss, score, gradLogits, ...options });
  }),
  {
    kernel: 'log-sum-exp',
    launcher: 'logSumExp',
    shape: `${tokens}x${vocab}`,
    work: bytesOf(tokens * vocab, tokens),
    prepare: (context) => {
      const [x, out] = [context.floats(tokens * vocab, 5), context.empty(tokens)];
      return () => logSumExp(context.device, { x, out, rows: tokens, columns: vocab });
    },
  },
];
