// Detects training that diverged, before its values are saved.
import type { HostState } from './state';

export { NonFiniteLossError } from '@crossgate/core';

/** Name of the first tensor of a state that has a NaN or infinite value; null when all values are finite. */
export function firstNonFinite(state: HostState): string | null {
  for (const [name, { data }] of state) {
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return name;
  }
  return null;
}
