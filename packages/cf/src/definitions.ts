/** The list of collaborative-filtering models. Adding one is its file and a line here. */
import { didYouMean, InputError } from '@crossgate/core';
import { asymmetricSvdDefinition } from './asymmetric-svd';
import type { CfDefinition } from './definition';
import { lightGcnDefinition } from './light-gcn';
import { matrixFactorizationDefinition } from './matrix-factorization';
import { addedCfModels } from './registry';
import { sasRecDefinition } from './sas-rec';

/** The models of this package. States are asked for from the last to the first: those of others have MF's tables too. */
export const cfDefinitions = [
  matrixFactorizationDefinition,
  lightGcnDefinition,
  sasRecDefinition,
  asymmetricSvdDefinition,
] as const satisfies readonly CfDefinition[];

/** Names of the models of this package; more may be registered. */
export type CfModelName = (typeof cfDefinitions)[number]['name'];

const all = (): readonly CfDefinition[] => [...cfDefinitions, ...addedCfModels()];

/** @throws InputError naming the models there are */
export function findCfDefinition(name: string): CfDefinition {
  const found = all().find((definition) => definition.name === name);
  if (found) return found;
  const names = all().map((definition) => definition.name);
  throw new InputError(`there is no CF model ${name}; there are ${names.join(', ')}${didYouMean(name, names)}`);
}

/** The model whose state has these tensors; MF where none is known by its mark, and its reading says what is missing. */
export function cfDefinitionOfState(tensors: { has(name: string): boolean }): CfDefinition {
  return all().findLast(({ stateMark }) => tensors.has(stateMark)) ?? matrixFactorizationDefinition;
}
