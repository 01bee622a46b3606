// State dicts: named tensors to and from the host, as safetensors.
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import { expectFloats } from './dtype';
import type { Adam } from './optim/adam';
import type { ParameterGroup } from './parameters';
import { shapeSize } from './tensor';

/** Named f32 tensors on the host: a state dict. `data` is row-major and fills `shape`. */
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

const entriesOf = ({ parameters, statePrefix }: ParameterGroup): Entry[] =>
  parameters.map(({ name, slice, shape }) => ({ name: `${statePrefix}${name}`, slice, shape }));

/**
 * Waits for the device and reads the values of all parameters of a group, each under its name behind the group's
 * prefix.
 */
export function readGroup(group: ParameterGroup): Promise<HostState> {
  return readEntries(group.device, entriesOf(group));
}

/**
 * Sets all parameters of a group. Tensors of the state that the group does not have are ignored.
 *
 * @param source where the state comes from, for messages: usually a path.
 * @throws InputError naming the source and a tensor that is missing, has another shape or is not f32; nothing is
 * changed then.
 */
export function writeGroup(group: ParameterGroup, state: HostState, source: string): void {
  writeEntries(group.device, entriesOf(group), state, source);
  group.changed();
}

/**
 * Waits for the device and reads an optimizer's moments: `NAME.first` and `NAME.second` of every parameter. The step
 * count is `optimizer.steps`.
 */
export function readOptimizer(optimizer: Adam): Promise<HostState> {
  return readEntries(optimizer.groups[0]!.device, optimizer.state());
}

/**
 * Sets an optimizer's moments, under the names of {@link readOptimizer}.
 *
 * @throws InputError as {@link writeGroup} does.
 */
export function writeOptimizer(optimizer: Adam, state: HostState, source: string): void {
  writeEntries(optimizer.groups[0]!.device, optimizer.state(), state, source);
}
