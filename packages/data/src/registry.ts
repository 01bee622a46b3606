/** The data sets known by name. A new data set is one file with a `DatasetDefinition`, listed here. */

import { InputError } from '@crossgate/core';
import { amazonBooks } from './amazon-books';
import { csvDataset } from './csv-dataset';
import type { DatasetDefinition } from './definition';
import { demo } from './demo/demo';
import { ml1m } from './ml-1m';
import { ml100k } from './ml-100k';

export type { DatasetDefinition } from './definition';

/** Every known data set. */
export function listDatasets(): readonly DatasetDefinition[] {
  return [ml1m, ml100k, amazonBooks, csvDataset, demo];
}

/** The definition of a data set. Throws InputError with the known names for any other. */
export function findDataset(name: string): DatasetDefinition {
  const known = listDatasets();
  const definition = known.find((candidate) => candidate.name === name);
  if (definition === undefined) {
    throw new InputError(`unknown data set "${name}": known are ${known.map((entry) => entry.name).join(', ')}`, {
      code: 'data.unknown',
    });
  }
  return definition;
}
