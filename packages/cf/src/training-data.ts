/** The rows that a CF model is trained on, and their check. */
import type { Split } from '@crossgate/data';
import { InputError } from '@crossgate/gpu';
import type { CfModel } from './backend';

/** Rows to learn from or to validate on: columns of equal length, dense ids, labels 0 or 1. */
export type ClickColumns = Pick<Split, 'rows' | 'user' | 'item' | 'label'>;

/** The rows of a CF training. `dataset.splits` of `@crossgate/data` fits. */
export interface CfTrainingData {
  /** Rows to learn from, at least one. All of their users and items must be seen. */
  readonly train: ClickColumns;
  /** Rows that choose the best epoch. None at all makes the last epoch the best. */
  readonly valid: ClickColumns;
  /**
   * The history before a row, oldest first, at most `limit` entries: `model.histories(dataset).before`. Needed by
   * models that read histories.
   */
  readonly history?: (split: 'train' | 'valid', row: number, limit: number) => Int32Array;
}

/**
 * Checks the train rows.
 *
 * @throws InputError for no rows, and for a row with an unseen user or item: it would move a vector that must stay
 * zero.
 */
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
