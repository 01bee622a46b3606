/** Builds whichever model a saved state holds. */
import type { Device } from '@crossgate/gpu';
import type { HostState } from '@crossgate/tensor';
import { AsymmetricSvd } from './asymmetric-svd';
import type { CfModel } from './backend';
import { LightGcn } from './light-gcn';
import { MatrixFactorization } from './matrix-factorization';
import { SasRec } from './sas-rec';

/**
 * The model of a state, told apart by the tensors that only one kind has.
 *
 * @param source what the state was read from, for messages.
 * @throws InputError naming a tensor that is missing or wrong.
 */
export function cfModelFromState(device: Device, state: HostState, source: string): CfModel {
  if (state.has('graph.user')) return LightGcn.fromState(device, state, source);
  if (state.has('asvd.settings')) return AsymmetricSvd.fromState(device, state, source);
  if (state.has('sasrec.settings')) return SasRec.fromState(device, state, source);
  return MatrixFactorization.fromState(device, state, source);
}
