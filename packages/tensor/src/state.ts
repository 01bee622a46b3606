// State dicts: named tensors to and from the host, as safetensors.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { expectFloats } from './dtype';
import type { Adam } from './optim/adam';
import type { ParameterGroup } from './parameters';
import { shapeSize } from './tensor';

/** Values on the host, by name. */
export type HostState = Map<string, { shape: readonly number[]; data: Float32Array }>;

interface Entry {
  readonly name: string;
  readonly slice: BufferSlice;
  readonly shape: readonly number[];
}

async function readEntries(device: Device, entries: readonly Entry[]): Promise<HostState> {
  const state: HostState = new Map();
  for (const { name, slice, shape } of entries) {
    state.set(name, { shape, data: new Float32Array(await device.recorder.read(slice)) });
  }
  return state;
}

function writeEntries(device: Device, entries: readonly Entry[], state: HostState, source: string): void {
  // All checks come before the first write, so a bad file changes nothing.
  for (const { name, shape } of entries) {
    const found = state.get(name);
    if (found === undefined) throw new InputError(`${source}: the tensor "${name}" is missing`);
    expectFloats(`${source}: the data of "${name}"`, found.data);
    if (found.shape.join() !== shape.join() || found.data.length !== shapeSize(shape)) {
      throw new InputError(
        `${source}: "${name}" has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}]`,
      );
    }
  }
  for (const { name, slice } of entries) device.recorder.write(slice, state.get(name)!.data);
}

/** The values of a group's parameters. */
export function readGroup(group: ParameterGroup): Promise<HostState> {
  return readEntries(group.device, group.parameters);
}

/**
 * Sets a group's parameters.
 *
 * @param source what the state was read from, for messages.
 * @throws InputError naming a missing tensor or a shape that differs; then nothing is changed.
 */
export function writeGroup(group: ParameterGroup, state: HostState, source: string): void {
  writeEntries(group.device, group.parameters, state, source);
  group.changed();
}

/** An optimizer's moments; its step count is `optimizer.steps`. */
export function readOptimizer(optimizer: Adam): Promise<HostState> {
  return readEntries(optimizer.groups[0]!.device, optimizer.state());
}

/** As {@link writeGroup}, for an optimizer's moments. */
export function writeOptimizer(optimizer: Adam, state: HostState, source: string): void {
  writeEntries(optimizer.groups[0]!.device, optimizer.state(), state, source);
}
