/** The rows that a CF model is trained on, and their check. */
import type { Split } from '@crossgate/data';
import { InputError } from '@crossgate/gpu';
import type { CfModel } from './backend';

/** Rows to learn from or to validate on: columns of equal length, dense ids, labels 0 or 1. */
export type ClickColumns = Pick<Split, 'rows' | 'user' | 'item' | 'label'>;

/** `dataset.splits` of `@crossgate/data` fits. */
export interface CfTrainingData {
  readonly train: ClickColumns;
  readonly valid: ClickColumns;
  /** The positives before a row, oldest first, at most `limit`. Needed by models that read histories. */
  readonly history?: (split: 'train' | 'valid', row: number, limit: number) => Int32Array;
}

/** A row with an unseen user or item would move a vector that is promised to be zero. */
export function checkRows(model: CfModel, { rows, user, item }: ClickColumns): void {
  if (rows === 0) throw new InputError('the train split has no rows');
  for (let row = 0; row < rows; row++) {
    if (model.userSeen[user[row]!] !== 1 || model.itemSeen[item[row]!] !== 1) {
      throw new InputError(
        `train row ${row} (user ${user[row]}, item ${item[row]}) has an id that the model counts as unseen; ` +
          'make its flags from the same train split',
      );
    }
  }
}
