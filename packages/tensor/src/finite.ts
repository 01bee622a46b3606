// Numbers that are no numbers any more: how a training that diverged is told, before its values are kept.
import type { HostState } from './state';

export { NonFiniteLossError } from '@crossgate/core';

/** Name of the first tensor with a value that is NaN or infinite; null when all are finite. */
export function firstNonFinite(state: HostState): string | null {
  for (const [name, { data }] of state) {
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return name;
  }
  return null;
}
