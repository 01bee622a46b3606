// Dropout of whole users and items: seen ones look like unseen ones for a step.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ccf, packPrompts } from '../src';
import { marks, tinyDataset } from './tiny';
import { tinySystem } from './training';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

describe('cf.dropout', () => {
  it('gives dropped users and items the zero vector, by seed and counter', async () => {
    const { model, builder, release } = await tinySystem(device, await tinyDataset(), ccf);
    const prompts = Array.from({ length: 12 }, (_, u) =>
      builder.build({ user: u + 1, item: (u % 10) + 1, history: [] }),
    );
    const batch = packPrompts(prompts);
    const userPositions = prompts.map((prompt, p) => {
      const { users } = marks(prompt);
      const start = prompts.slice(0, p).reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
      return start + users.findIndex((user) => user > 0);
    });
    const embeddings = async (items: number, users: number, counter: number): Promise<string[]> => {
      using _ = device.step();
      const values = await model.embed(batch, { seed: 5, counter, items, users }).read();
      return Array.from({ length: values.length / 16 }, (_, i) => values.slice(16 * i, 16 * (i + 1)).join());
    };
    /** Embeddings of the user slots. */
    const users = async (probability: number, counter: number): Promise<string[]> => {
      const all = await embeddings(0, probability, counter);
      return userPositions.map((position) => all[position]!);
    };
    const plain = await users(0, 0);
    expect(new Set(plain).size).toBe(12);
    // With everything dropped, all users are ALG(0).
    const [zero, ...others] = new Set(await users(0.999999, 0));
    expect(others).toEqual([]);
    const half = await users(0.5, 1);
    const dropped = half.filter((user) => user === zero).length;
    expect(dropped).toBeGreaterThan(1);
    expect(dropped).toBeLessThan(11);
    half.forEach((user, i) => {
      if (user !== zero) expect(user).toBe(plain[i]);
    });
    expect(await users(0.5, 1)).toEqual(half);
    expect(await users(0.5, 2)).not.toEqual(half);
    // Items alone: only title tokens change.
    const whole = await embeddings(0, 0, 0);
    const withoutItems = await embeddings(0.999999, 0, 0);
    const changed = whole.flatMap((row, position) => (row === withoutItems[position] ? [] : [position]));
    expect(changed.length).toBeGreaterThan(11);
    expect(changed.filter((position) => userPositions.includes(position))).toEqual([]);
    release();
  });
});
