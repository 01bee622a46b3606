/**
 * @crossgate/cf/registry: what there is, and models that are added from outside. Imports no package that uses a GPU.
 */
import { InputError } from '@crossgate/core';
import type { CfDefinition } from './definition';

export {
  type Baseline,
  type BaselineName,
  baselines,
  type CfDeclaration,
  type CfModelName,
  type CfOption,
  type CfOptionValues,
  cfDeclarations,
  type InformationClass,
} from './declarations';

const added = new Map<string, CfDefinition>();

/**
 * Adds a model for the rest of the process: its name becomes a value of `cf.model` and a method. Adding the same
 * definition again changes nothing.
 *
 * @throws InputError for a name that another registered model has, or with characters other than a-z, 0-9 and dashes
 */
export function registerCfModel<O>(definition: CfDefinition<O>): void {
  const { name } = definition;
  if (!/^[a-z][a-z0-9-]*$/.test(name)) {
    throw new InputError(`CF model ${JSON.stringify(name)}: a name has letters a-z, digits and dashes`);
  }
  const present = added.get(name);
  if (present !== undefined && present !== definition) {
    throw new InputError('another one has this name', { place: `CF model ${name}`, fix: 'choose a name of its own' });
  }
  added.set(name, definition);
}

/** The models that {@link registerCfModel} added, in order. */
export function addedCfModels(): readonly CfDefinition[] {
  return [...added.values()];
}
