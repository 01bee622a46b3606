// Brings a packed batch to the device, as a captured step reads it.
import { lastTokens, packSequences } from '@crossgate/llm';
import { type DeviceIndices, type Tensor, type Upload, uploadIndices } from '@crossgate/tensor';
import type { HybridBatch, UploadedBatch } from './batch';
import { type CfDropout, keptRows } from './channels';
import type { HybridModel } from './model';

/**
 * Uploads a batch with everything that a training step of `model` reads from the host. Batches of the same shape are
 * uploaded in the same order.
 *
 * @param labels [prompts] of 0 or 1
 * @param dropout of CF vectors
 */
export function uploadBatch(
  { llm, cf, readsTable }: HybridModel,
  batch: HybridBatch,
  labels: Float32Array,
  dropout: CfDropout | undefined,
  upload: Upload,
): UploadedBatch {
  const { positions, learnedRows, items, users, titleTokens } = batch;
  const { tokenIds, cfRows, textRows } = positions;
  const { length } = tokenIds;
  const packed = packSequences(llm.device, batch.lengths, 0, upload);
  const plain = (rows: Int32Array | Uint32Array): DeviceIndices => ({
    indices: upload([rows.length], rows),
    segments: null,
  });
  const tableRows = readsTable ? tokenIds : tokenIds.map((token, position) => (token < 0 ? -1 : position));
  const ids = (values: Uint32Array, name: 'items' | 'users') =>
    values.length > 0 && { [name]: uploadIndices(upload, values) };
  return {
    packed,
    tokens: plain(Uint32Array.from(tokenIds)),
    positions: {
      tokenIds: plain(tableRows),
      cfRows: uploadIndices(upload, cfRows, items.length + users.length),
      textRows: uploadIndices(upload, textRows, titleTokens.length),
    },
    learnedRows: uploadIndices(upload, learnedRows),
    none: plain(new Int32Array(length).fill(-1)),
    ...ids(items, 'items'),
    ...ids(users, 'users'),
    ...(titleTokens.length > 0 && { titleTokens: plain(titleTokens) }),
    kept: new Map(
      [...new Set(cf.map(({ backend }) => backend.cfDim))].flatMap((width): [number, Tensor][] => {
        const kept = keptRows(batch, dropout, width);
        return kept ? [[width, upload([kept.length / width, width], kept)]] : [];
      }),
    ),
    answers: uploadIndices(upload, lastTokens(packed).subarray(0, labels.length)),
    labels: upload([labels.length], labels),
  };
}
