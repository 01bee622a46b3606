/** The MF model: logits, gradients, unseen rows, state dicts, scoring in batches. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { bceWithLogits, encodeState, memorySource, parseState, Tape } from '@crossgate/tensor';
import { checkGradient, expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MatrixFactorization } from '../src';
import { clicks, itemCount, itemSeen, lossAndGradient, tablesOf, toyModel, userCount, userSeen } from './toy';

for (const [name, options] of [
  ["the adapter's own limits", {}],
  ['low limits', { limits: { maxComputeWorkgroupsPerDimension: 8, maxStorageBufferBindingSize: 2048 } }],
] as const) {
  describe(`MatrixFactorization with ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice(options);
    });
    afterAll(() => device.destroy());

    it('gives the gradients of both tables that float64 gives', async () => {
      const model = toyModel(device, 3);
      const rows = clicks(33, 5);
      const tables = await tablesOf(model);
      const all = Int32Array.from({ length: rows.rows }, (_, row) => row);
      const expected = lossAndGradient(tables, rows, all);
      checkGradient({
        value: (values) => lossAndGradient({ cfDim: tables.cfDim, values }, rows, all).loss,
        gradient: expected.gradient,
        at: tables.values,
      });
      model.group.trainable = true;
      const step = device.step();
      model.group.zeroGradients();
      const tape = new Tape();
      const labels = Float32Array.from(rows.label);
      const losses = tape.record(() =>
        bceWithLogits(model.logits(Uint32Array.from(rows.user), Uint32Array.from(rows.item)), labels, 1 / rows.rows),
      );
      const perRow = await losses.read();
      tape.backward();
      const gradient: number[] = [];
      for (const parameter of model.group.parameters) {
        gradient.push(...new Float32Array(await device.recorder.read(parameter.gradient)));
      }
      step.end();
      expect(perRow.reduce((a, b) => a + b, 0) / rows.rows).toBeCloseTo(expected.loss, 5);
      expectClose(gradient, expected.gradient, { relative: 1e-5, absolute: 1e-7, label: 'gradients' });
      model.release();
    });

    it('scores pairs as the dot products of the exported vectors, zero for unseen ones', async () => {
      const model = toyModel(device, 4);
      const { user, item } = clicks(1000, 7, false);
      const { users, items } = await model.exportEmbeddings();
      const scores = await model.scorePairs(user, item);
      const expected = Float64Array.from(user, (u, row) => {
        let sum = 0;
        for (let c = 0; c < model.cfDim; c++) sum += users[u * model.cfDim + c]! * items[item[row]! * model.cfDim + c]!;
        return sum;
      });
      expectClose(scores, expected, { relative: 1e-6, absolute: 1e-7 });
      const cold = scores.filter((_, row) => userSeen[user[row]!] === 0 || itemSeen[item[row]!] === 0);
      expect(cold.length).toBeGreaterThan(100);
      expect(cold.every((score) => score === 0)).toBe(true);
      expect(await model.scorePairs([], [])).toHaveLength(0);
      model.release();
    });
  });
}

describe('MatrixFactorization', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  it('scores more pairs than one batch holds', async () => {
    const model = toyModel(device, 4);
    const { user, item } = clicks(20_000, 11, false);
    const scores = await model.scorePairs(user, item);
    expect(scores).toHaveLength(20_000);
    expect(await model.scorePairs(user.slice(16_380), item.slice(16_380))).toEqual(scores.slice(16_380));
    expect(new Set(scores.slice(16_384)).size).toBeGreaterThan(10);
    model.release();
  });

  it('starts from N(0, initStd), the same for the same seed, with zero rows for padding and unseen ids', async () => {
    const all = new Uint8Array(401).fill(1, 1);
    const some = all.slice();
    some[7] = 0;
    const options = { itemSeen: all, cfDim: 32, initStd: 0.25, seed: 9 };
    const model = MatrixFactorization.create(device, { ...options, userSeen: all });
    const other = MatrixFactorization.create(device, { ...options, userSeen: some });
    const reseeded = MatrixFactorization.create(device, { ...options, userSeen: all, seed: 10 });
    const { users, items } = await model.exportEmbeddings();
    const values = [...users.slice(32), ...items.slice(32)];
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(Math.sqrt(variance)).toBeCloseTo(0.25, 2);
    expect([...users.slice(0, 32), ...items.slice(0, 32)].every((value) => value === 0)).toBe(true);
    expect(users.slice(32)).not.toEqual(items.slice(32));
    const { users: otherUsers } = await other.exportEmbeddings();
    users.fill(0, 7 * 32, 8 * 32);
    expect(otherUsers).toEqual(users);
    expect((await reseeded.exportEmbeddings()).users).not.toEqual(users);
    for (const each of [model, other, reseeded]) each.release();
  });

  it('survives a safetensors file bit for bit', async () => {
    const model = toyModel(device, 5);
    const parts: Uint8Array[] = [];
    for await (const part of encodeState(await model.state(), { model: 'mf' })) parts.push(part.slice());
    const { state, metadata } = await parseState(memorySource('mf.safetensors', Buffer.concat(parts)));
    expect(metadata).toEqual({ model: 'mf' });
    const again = MatrixFactorization.fromState(device, state, 'mf.safetensors');
    expect(await again.exportEmbeddings()).toEqual(await model.exportEmbeddings());
    expect(again.cfDim).toBe(6);
    model.release();
    again.release();
  });

  it('refuses what cannot be a model, naming what is wrong', async () => {
    const options = { userSeen, itemSeen, cfDim: 4, seed: 1 };
    expect(() => MatrixFactorization.create(device, { ...options, cfDim: 0 })).toThrow(/cfDim 0/);
    expect(() => MatrixFactorization.create(device, { ...options, initStd: Number.NaN })).toThrow(/initStd NaN/);
    expect(() => MatrixFactorization.create(device, { ...options, userSeen: Uint8Array.of(1, 1) })).toThrow(
      /user: .*0/,
    );
    const model = toyModel(device, 6);
    const broken = async (name: string, data: number[], shape: number[]) => {
      const state = await model.state();
      state.set(name, { shape, data: Float32Array.from(data) });
      return () => MatrixFactorization.fromState(device, state, 'x.safetensors');
    };
    expect(await broken('user_seen', [0, 1], [2])).toThrow(/x\.safetensors: "user_seen" has 2 flags for 10 rows/);
    expect(await broken('item_embedding.weight', [1, 2], [2])).toThrow(/"item_embedding.weight" has shape \[2\]/);
    const seenless = await broken('item_seen', new Array(itemCount + 1).fill(0), [itemCount + 1]);
    expect(seenless).toThrow(/row 1 of "item_embedding.weight" is unseen but not zero/);
    const wide = await broken('user_embedding.weight', new Array((userCount + 1) * 5).fill(0), [userCount + 1, 5]);
    expect(wide).toThrow(/"user_embedding.weight" is 5 wide, "item_embedding.weight" 6/);
    const state = await model.state();
    state.delete('item_embedding.weight');
    expect(() => MatrixFactorization.fromState(device, state, 'x')).toThrow(/"item_embedding.weight" is missing/);
    await expect(model.scorePairs([1], [1, 2])).rejects.toThrow(/1 users for 2 items/);
    await expect(model.scorePairs([userCount + 1], [1])).rejects.toThrow(/index 10/);
    expect((await model.scorePairs([1], [1]))[0]).not.toBe(0); // The failure before left no step open.
    model.release();
    expect(device.memory.report().persistent).toEqual({});
  });
});
