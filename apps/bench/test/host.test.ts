/** What the processor does for a dispatch: measured on a device that runs nothing, and said in a table. */
import { openNullDevice } from '@crossgate/gpu/node';
import { expect, it } from 'vitest';
import { formatHostReport } from '../src/commands/host';
import { measureHost, promptLengths } from '../src/host/measure';
import { describeMachine } from '../src/machine';

it('measures steps, their recording and their replay, and leaves nothing behind', async () => {
  const device = await openNullDevice();
  try {
    const [equal] = promptLengths;
    const result = await measureHost(device, equal!, { steps: 2, warmup: 3, seed: 1 });
    expect(result.dispatches).toBeGreaterThan(1000);
    expect(result.perLayer).toBeCloseTo(result.dispatches / 30, 9);
    // Steps of equal lengths are settled after the first.
    expect(result.bindGroups).toBe(0);
    for (const { median, fastest } of [result.step, result.recording, result.replay]) {
      expect(fastest).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(fastest);
    }
    // Each is a part of the one before.
    expect(result.recording.fastest).toBeLessThan(result.step.fastest);
    expect(device.report().total).toBe(0);
    const text = formatHostReport({ machine: describeMachine(), results: [result] });
    expect(text).toMatch(/lora step, equal lengths +30 layers of width 64, 3 prompts of 48 tokens +\d+/);
  } finally {
    await device.destroy();
  }
});
