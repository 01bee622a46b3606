/** What ranks find out about each other before the first step. */
import { hostname } from 'node:os';
import type { Collective } from '@crossgate/collective';
import { InputError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import { visibleGpus } from './gpus';
import { fromAllRanks } from './on-rank-zero';

/**
 * Checks that all ranks are to do the same.
 * @param facts dotted keys and their values, such as those of the config and the hash of the data
 * @throws InputError on all ranks, naming the first key and rank that differ from rank 0
 */
export async function checkSameFacts(collective: Collective, facts: ReadonlyMap<string, string>): Promise<void> {
  const all = (await fromAllRanks(collective, [...facts])).map((entries) => new Map(entries));
  const [first] = all;
  for (const [rank, own] of all.entries()) {
    for (const key of new Set([...first!.keys(), ...own.keys()])) {
      const [expected, found] = [first!.get(key) ?? 'absent', own.get(key) ?? 'absent'];
      if (expected === found) continue;
      throw new InputError(`${key} is ${found} on rank ${rank}, but ${expected} on rank 0`, {
        code: 'ranks.differ',
        fix: 'give all ranks the same config, data, model and version of Crossgate',
      });
    }
  }
}

/**
 * Checks that no two ranks compute on one hardware GPU: they would take turns, which is slower than one rank alone.
 * @throws InputError on all ranks, naming two that would
 */
export async function checkOwnGpus(collective: Collective, device: Device): Promise<void> {
  const { name, software } = device.capabilities;
  const own = { host: hostname(), name, software, visible: await visibleGpus() };
  const all = await fromAllRanks(collective, own);
  const placeOf = ({ software: _, ...place }: typeof own) => JSON.stringify(place);
  for (const [rank, each] of all.entries()) {
    if (each.software) continue;
    const other = all.findIndex((before) => !before.software && placeOf(before) === placeOf(each));
    if (other >= rank) continue;
    throw new InputError(`ranks ${other} and ${rank} would share the GPU ${each.name} of ${each.host}`, {
      code: 'ranks.shared-gpu',
      fix: 'let each rank see a GPU of its own (docs/scale.md), start fewer ranks, or add --allow-shared-gpu',
    });
  }
}
