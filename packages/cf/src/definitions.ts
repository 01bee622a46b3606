/** The list of collaborative-filtering models. One that is declared and not named here does not compile. */
import { didYouMean, InputError } from '@crossgate/core';
import { asymmetricSvdDefinition } from './asymmetric-svd';
import type { CfModelName } from './declarations';
import type { CfDefinition } from './definition';
import { lightGcnDefinition } from './light-gcn';
import { matrixFactorizationDefinition } from './matrix-factorization';
import { addedCfModels } from './registry';
import { sasRecDefinition } from './sas-rec';

/**
 * The models of this package, each under its name. A saved state is compared with them from the last to the first,
 * because other models' states also have the tables of MF.
 */
const definitions = {
  mf: matrixFactorizationDefinition,
  lightgcn: lightGcnDefinition,
  sasrec: sasRecDefinition,
  asvd: asymmetricSvdDefinition,
} satisfies { readonly [N in CfModelName]: CfDefinition & { readonly name: N } };

/** The models of this package. */
export const cfDefinitions: readonly CfDefinition[] = Object.values(definitions);

const all = (): readonly CfDefinition[] => [...cfDefinitions, ...addedCfModels()];

/** The definition of a model by its name, registered ones included. @throws InputError listing the models there are */
export function findCfDefinition(name: string): CfDefinition {
  const found = all().find((definition) => definition.name === name);
  if (found) return found;
  const names = all().map((definition) => definition.name);
  throw new InputError(`there is no CF model ${name}`, {
    code: 'config.value',
    fix: `there are ${names.join(', ')}${didYouMean(name, names)}`,
  });
}

/**
 * The definition of the model that a saved state holds, recognized by its mark. Without any mark it is MF, whose reader
 * then says what is missing.
 *
 * @param tensors the tensors of the state by name.
 */
export function cfDefinitionOfState(tensors: {
  /** Whether the state has this tensor. */
  has(name: string): boolean;
}): CfDefinition {
  return all().findLast(({ stateMark }) => tensors.has(stateMark)) ?? matrixFactorizationDefinition;
}
