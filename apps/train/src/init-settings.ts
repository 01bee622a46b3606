/** The settings of training that `init` writes, by size of the data: see docs/results/init-settings. */

/** The largest batch that was tried. */
const largestBatch = 8192;
/** Share of rows that the split of `init` leaves to train. */
const trainShare = 0.8;

/** A batch that makes 32 to 64 steps an epoch, from 16 rows to 8,192. @param rows of the file */
export function batchSizeFor(rows: number): number {
  const power = Math.floor(Math.log2((rows * trainShare) / 32));
  return Math.min(largestBatch, Math.max(16, 2 ** power));
}

/** The lines of `cf`. @param rows of the file; undefined where there is none yet. */
export function cfLines(rows: number | undefined, isImplicit: boolean): string[] {
  return [
    'cf:',
    '  cfDim: 64   # width of user and item vectors',
    '  initStd: 0.1',
    ...(isImplicit
      ? [
          // Positives alone teach nothing by their labels: lists are learned, and the epoch is chosen by them.
          '  loss: bpr   # an item that was chosen before one that was not',
          '  selectBy: ndcg',
          '  learningRate: 3e-3',
          '  weightDecay: 0',
        ]
      : ['  learningRate: 1e-2', '  weightDecay: 1e-4']),
    `  batchSize: ${rows === undefined ? 512 : batchSizeFor(rows)}   # 32 to 64 steps an epoch`,
    '  epochs: 60   # at most',
    '  patience: 5   # epochs without a better one, after the first ones',
    '  warmupEpochs: 5',
    ...(isImplicit ? ['evaluation:', '  ranking:', '    k: 10   # length of the lists'] : []),
  ];
}
