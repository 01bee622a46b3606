/** Whether the parameters a config asks for fit the device, from shapes alone: found before training, not after an hour of it. */

import { type CfMemory, type CfSizes, findCfDefinition, fitsBindings } from '@crossgate/cf';
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

/** Most bytes of a typed array in V8, as Node 20 has it. Every parameter is an array on the host, of bytes when it is saved. */
const mostBytes = 2 ** 32;

/**
 * Checks that each parameter fits one buffer of the device and one binding, tables of users and items in parts.
 * @param keys config keys that set the shapes, for the message
 * @throws InputError naming the keys, the parameter, its size and the device's limit
 */
export function checkParameterSizes(device: Pick<Device, 'capabilities'>, keys: string, shapes: ParameterShapes): void {
  const { name: gpu, limits } = device.capabilities;
  for (const [name, shape] of shapes) {
    const bytes = parameterBytes(shape);
    const limit = !fitsBindings(device, name, shape)
      ? `${gpu} binds at most ${formatBytes(limits.maxStorageBufferBindingSize)}`
      : bytes > limits.maxBufferSize
        ? `a buffer of ${gpu} has at most ${formatBytes(limits.maxBufferSize)}`
        : bytes > mostBytes
          ? `an array of JavaScript has at most ${formatBytes(mostBytes)}`
          : null;
    if (limit === null) continue;
    throw new InputError(`${name} [${shape.join(', ')}] takes ${formatBytes(bytes)}, but ${limit}`, {
      code: 'gpu.limit',
      place: keys,
      fix: `lower ${keys}`,
    });
  }
}

/** The options of the CF model of a run: the section that has the model's name. */
export function cfOptions(cf: ExperimentConfig['cf']): Readonly<Record<string, unknown>> {
  const sections: Readonly<Record<string, unknown>> = cf;
  return sections[cf.model] as Readonly<Record<string, unknown>>;
}

type Counts = Pick<Dataset, 'userCount' | 'itemCount' | 'splits'>;

function sizesOf({ cfDim }: ExperimentConfig['cf'], { userCount, itemCount, splits }: Counts): CfSizes {
  return {
    users: userCount,
    items: itemCount,
    cfDim,
    positives() {
      let count = 0;
      const { rows, label } = splits.train;
      for (let row = 0; row < rows; row++) count += label[row]!;
      return count;
    },
  };
}

/** The memory of the CF model of a run beside its parameters. */
export function cfMemory(cf: ExperimentConfig['cf'], dataset: Counts): CfMemory {
  return findCfDefinition(cf.model).memory(sizesOf(cf, dataset), cfOptions(cf));
}

/** The parameters of the CF model of a run. */
export function cfShapes(cf: ExperimentConfig['cf'], dataset: Counts): ParameterShapes {
  return findCfDefinition(cf.model).shapes(sizesOf(cf, dataset), cfOptions(cf));
}

/** Checks the options and the parameters of the CF model of a run. See {@link checkParameterSizes}. */
export function checkCfSizes(device: Pick<Device, 'capabilities'>, { cf }: ExperimentConfig, dataset: Dataset): void {
  findCfDefinition(cf.model).check(cfOptions(cf), cf.cfDim);
  checkParameterSizes(device, 'cf.cfDim', cfShapes(cf, dataset));
}
