/** Gives models that are about to be trained the values that a finished run left. */
import { type CfModel, cfDefinitionOfState, findCfDefinition, itemFlags, userFlags } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { HybridModel } from '@crossgate/fusion';
import { openAdapter } from '@crossgate/llm/node';
import { type HostState, parseState, readGroup, writeGroup } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { type FromRun, fileOfFrom } from './continued-run';

/**
 * Starts a CF model from the one of a run. Rows of users and items that had train rows and have some still are as they
 * were trained; those of others stay as they were drawn, and zero without train rows.
 * @param name of the run's file
 * @throws InputError naming a tensor of another shape
 */
export async function startCf(model: CfModel, from: FromRun, name: string): Promise<void> {
  const path = fileOfFrom(from, name);
  const state = await readState(path);
  const found = cfDefinitionOfState(state).name;
  if (found !== model.name) throw unfit(path, `is a ${found} model, not ${model.name}`);
  const anew = findCfDefinition(model.name).startsAnew ?? [];
  const values = await readGroup(model.group);
  for (const [parameter, now] of values) {
    const then = state.get(parameter);
    if (then === undefined || anew.includes(parameter)) continue;
    const seen = seenOf(model, from, parameter, [then.shape[0] ?? 0, now.shape[0] ?? 0]);
    const columns = now.shape.slice(1).join();
    if (columns !== then.shape.slice(1).join() || (seen === null && now.shape.join() !== then.shape.join())) {
      throw unfit(path, `"${parameter}" has shape [${then.shape.join(', ')}], now [${now.shape.join(', ')}]`);
    }
    if (seen === null) now.data.set(then.data);
    else {
      const flags = state.get(seen.flags)?.data;
      const width = then.data.length / then.shape[0]!;
      for (let row = 1; row < then.shape[0]!; row++) {
        if (seen.now[row] !== 1 || (flags !== undefined && flags[row] === 0)) continue;
        now.data.set(then.data.subarray(row * width, (row + 1) * width), row * width);
      }
    }
  }
  writeGroup(model.group, values, path);
}

/** Whose table a parameter is; null for one that is not by user or item. */
function seenOf(model: CfModel, { dataset }: FromRun, name: string, [then, now]: readonly [number, number]) {
  const { userSeen, itemSeen } = model;
  const isUsers = then === dataset.users.length && now === userSeen.length;
  const isItems = then === dataset.items.length && now === itemSeen.length;
  const users = { flags: userFlags, now: userSeen };
  const items = { flags: itemFlags, now: itemSeen };
  // With as many users as items, the name tells.
  if (isUsers && isItems) return name.includes('user') ? users : name.includes('item') ? items : null;
  return isUsers ? users : isItems ? items : null;
}

/**
 * Starts LoRA, ALG, GATE and learned vectors from those of a run.
 * @throws InputError naming a file or tensor that does not fit
 */
export async function startHybrid(model: HybridModel, from: FromRun): Promise<void> {
  const { adapters, config } = model.llm;
  if (adapters) {
    const adapter = await openAdapter(fileOfFrom(from, 'adapter'), config);
    writeGroup(adapters.group, adapter.state, adapter.source);
  }
  if (model.channels.length === 0) return;
  const path = fileOfFrom(from, 'fusion.safetensors');
  const state = await readState(path);
  for (const { groups } of model.channels) {
    // CF starts from the run's CF model, before that was trained beside the language model.
    for (const [name, group] of groups) if (name !== 'cf') writeGroup(group, state, path);
  }
}

async function readState(path: string): Promise<HostState> {
  const source = await openFile(path);
  return (await parseState(source).finally(() => source.close())).state;
}

function unfit(path: string, why: string): InputError {
  return new InputError(why, { code: 'run.other-config', place: path, fix: 'continue with the keys of that run' });
}
