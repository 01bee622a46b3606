/** Builds whichever model a saved state holds. */
import type { Device } from '@crossgate/gpu';
import type { HostState } from '@crossgate/tensor';
import type { CfModel } from './backend';
import { cfDefinitionOfState } from './definitions';

/**
 * Builds the model that a saved state holds, recognized by a tensor that only this kind of model has.
 *
 * @param source what the state was read from, for messages.
 * @throws InputError naming a tensor that is missing or wrong.
 */
export function cfModelFromState(device: Device, state: HostState, source: string): CfModel {
  return cfDefinitionOfState(state).fromState(device, state, source);
}
