/** Names as Dawn and browsers give them. */
import { expect, it } from 'vitest';
import { multiprocessors } from './multiprocessors';

it.each([
  ['nvidia-h100-80gb-hbm3', 'hopper', 132],
  ['nvidia-h100-pcie', 'hopper', 114],
  ['NVIDIA H200', '', 132],
  ['nvidia-l40s', 'lovelace', 142],
  ['nvidia-l4', 'lovelace', 58],
  ['nvidia-a100-sxm4-80gb', 'ampere', 108],
  ['nvidia-geforce-rtx-4090', 'lovelace', 128],
  ['amd-radeon-rx-7900-xtx', 'rdna-3', 96],
  ['apple-m2-max', 'metal-3', 32],
  ['apple-m2', 'metal-3', 8],
  // A browser names the family alone.
  ['hopper', 'hopper', 132],
  ['ampere', 'ampere', 128],
  ['some-gpu', '', 128],
])('%s of %s has %i multiprocessors', (name, architecture, count) => {
  expect(multiprocessors({ name, architecture })).toBe(count);
});
