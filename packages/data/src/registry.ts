/** All data sets that are known by name. A new one is a file with a `DatasetDefinition`, listed here. */

import { InputError } from '@crossgate/core';
import { amazonBooks } from './amazon-books';
import { csvDataset } from './csv-dataset';
import type { DatasetDefinition } from './definition';
import { demo } from './demo/demo';
import { ml1m } from './ml-1m';
import { ml100k } from './ml-100k';

/** The definitions of all known data sets. */
export function listDatasets(): readonly DatasetDefinition[] {
  return [ml1m, ml100k, amazonBooks, csvDataset, demo];
}

/** The definition of the data set with this name. @throws InputError with the known names for an unknown one. */
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
