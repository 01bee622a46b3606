/** Whether the parameters a config asks for fit the device, from shapes alone: found before training, not after an hour of it. */

import {
  asymmetricSvdMemory,
  asymmetricSvdShapes,
  type CfMemory,
  fitsBindings,
  lightGcnMemory,
  matrixFactorizationShapes,
  sasRecShapes,
} from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { type Device, formatBytes } from '@crossgate/gpu';
import type { ExperimentConfig } from '../config/schema';

/** Parameters by name, each with its shape; values are f32. */
export type ParameterShapes = ReadonlyMap<string, readonly number[]>;

/** Size of one parameter in bytes. */
export function parameterBytes(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 4);
}

/**
 * Checks that each parameter fits one binding of the device, tables of users and items in parts.
 * @param keys config keys that set the shapes, for the message
 * @throws InputError naming the keys, the parameter, its size and the device's limit
 */
export function checkParameterSizes(device: Pick<Device, 'capabilities'>, keys: string, shapes: ParameterShapes): void {
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  for (const [name, shape] of shapes) {
    if (fitsBindings(device, name, shape)) continue;
    throw new InputError(
      `${keys}: ${name} [${shape.join(', ')}] takes ${formatBytes(parameterBytes(shape))}, but ${device.capabilities.name} binds at most ${formatBytes(limit)}; lower ${keys}`,
    );
  }
}

/** The memory of the CF model of a run beside its parameters. */
export function cfMemory(
  { model, cfDim, lightgcn }: ExperimentConfig['cf'],
  { userCount, itemCount, splits }: Pick<Dataset, 'userCount' | 'itemCount' | 'splits'>,
): CfMemory {
  if (model === 'asvd' || model === 'asvd-p') return asymmetricSvdMemory(itemCount, cfDim);
  if (model !== 'lightgcn') return { persistent: 0, held: 0, peak: 0 };
  const { rows, label } = splits.train;
  let edges = 0;
  // Repeats are few, and finding them would take as long as making the graph.
  for (let row = 0; row < rows; row++) edges += label[row]!;
  return lightGcnMemory({ users: userCount, items: itemCount, edges, cfDim, layers: lightgcn.layers });
}

/** The parameters of the CF model of a run. LightGCN has the tables of matrix factorization, SASRec and asymmetric SVD none of users. */
export function cfShapes(
  cf: ExperimentConfig['cf'],
  dataset: Pick<Dataset, 'userCount' | 'itemCount'>,
): ParameterShapes {
  const { cfDim, model, mf, sasrec } = cf;
  if (model === 'asvd' || model === 'asvd-p') return asymmetricSvdShapes(dataset.itemCount, cfDim);
  return model === 'sasrec'
    ? sasRecShapes(dataset.itemCount, { cfDim, ...sasrec })
    : matrixFactorizationShapes(dataset.userCount, dataset.itemCount, cfDim, model === 'mf' && mf.biases);
}

/** Checks the parameters of the CF model of a run. See {@link checkParameterSizes}. */
export function checkCfSizes(device: Pick<Device, 'capabilities'>, config: ExperimentConfig, dataset: Dataset): void {
  const { cfDim, model, sasrec } = config.cf;
  if (model === 'sasrec' && (cfDim % sasrec.heads !== 0 || cfDim / sasrec.heads > 128)) {
    throw new InputError(`cf.sasrec.heads: ${sasrec.heads} must divide cf.cfDim ${cfDim} into at most 128 each`);
  }
  if ((model === 'asvd' || model === 'asvd-p') && cfDim < 3) {
    throw new InputError(`cf.cfDim: ${cfDim} is below 3, of which two are for biases`);
  }
  checkParameterSizes(device, 'cf.cfDim', cfShapes(config.cf, dataset));
}
