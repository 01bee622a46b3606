// Scores do not depend on how rows are batched.
import { clickHistories } from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { withoutTape } from '@crossgate/tensor';
import { expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ccf, PromptBuilder, promptFor, promptOfRow, scoreRows } from '../src';
import { tinyDataset, tinyTokenizer } from './tiny';
import { randomizeLora, type TinySystem, tinySystem } from './training';

let device: Device;
let dataset: Dataset;
let system: TinySystem;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
  system = await tinySystem(device, dataset, ccf);
  await randomizeLora(system.model);
});
afterAll(() => {
  system.release();
  device.destroy();
});

const loss = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 2, noToken: 3 } as const;
/** Rows out of order, one of them twice. */
const rows = Int32Array.of(17, 3, 22, 0, 5, 3, 11, 23, 8);

describe('promptOfRow', () => {
  // The first user's rows are of items 0, 3, 6, … modulo 10, of which even ones are liked: 10 in train, 2 in each other
  // split.
  const last = 1;
  const builderFor = (userHistoryLength: number, information?: 'H' | 'P') =>
    new PromptBuilder(
      tinyTokenizer,
      dataset.items.map(({ title }) => title),
      {
        ...{
          template: '{history} {user} {item}',
          historyLength: 2,
          maxLength: 200,
          slots: ccf.slots,
          userHistoryLength,
        },
        ...(information && { userHistories: clickHistories(dataset, information) }),
      },
    );
  const idOf = (entry: number) => {
    const id = dataset.items.findIndex((item) => item?.id === `i${Math.abs(entry)}`);
    return entry % 2 === 0 ? id : -id;
  };
  const trained = [0, 3, 6, 9, 2, 5, 8, 1, 4, 7];

  it('passes on all that the CF model may know: labels of train to H, all earlier labels to P', () => {
    const train = trained.map(idOf);
    const { user, item } = dataset.splits.test;
    expect([dataset.users[user[last]!], dataset.items[item[last]!]!.id]).toEqual(['u0', 'i9']);
    const known = (limit: number, information?: 'H' | 'P') => [
      ...(promptOfRow(builderFor(limit, information), dataset, 'test', last).userHistory ?? []),
    ];
    expect(known(99, 'H')).toEqual([...train, 0, idOf(0), idOf(6)]);
    expect(known(3, 'H')).toEqual([train.at(-1), 0, idOf(0), idOf(6)]);
    expect(known(99, 'P')).toEqual([...train, idOf(0), idOf(3), idOf(6), 0]);
    expect(known(99)).toEqual([...train.filter((id) => id > 0), idOf(0), idOf(6)]);
    expect(known(0, 'H')).toEqual([]);
    const row = dataset.splits.train.user.findIndex((id, at) => dataset.users[id] === 'u0' && at % 10 === 2);
    expect([...promptOfRow(builderFor(99, 'H'), dataset, 'train', row).userHistory!]).toEqual([
      ...[...train].slice(0, 2),
      0,
    ]);
  });

  it('leaves the text as it is', () => {
    const [plain, told] = [builderFor(0), builderFor(99, 'H')].map((builder) =>
      promptOfRow(builder, dataset, 'test', last),
    );
    const { userHistory, ...rest } = told!;
    expect(rest).toEqual(plain);
    const given = { user: 1, item: 2, history: Int32Array.of(3), userHistory: Int32Array.of(-4, 0) };
    expect(promptFor(builderFor(1), given).userHistory).toEqual(given.userHistory);
  });
});

describe('scoreRows', () => {
  it('gives z_yes − z_no of each row alone, whatever batchTokens is', async () => {
    const { model, builder } = system;
    const alone: number[] = [];
    for (const row of rows) {
      using _ = device.step();
      const prompt = promptOfRow(builder, dataset, 'valid', row);
      const logits = await withoutTape(() => model.logits([prompt])).read();
      alone.push(logits[2]! - logits[3]!);
    }
    expect(new Set(alone).size).toBe(rows.length - 1);
    for (const batchTokens of [1, 130, 200, 16_384]) {
      const progress: number[] = [];
      const scores = await scoreRows(model, builder, dataset, 'valid', rows, loss, {
        batchTokens,
        onProgress: (done, total) => {
          expect(total).toBe(rows.length);
          progress.push(done);
        },
      });
      expectClose(scores, Float64Array.from(alone), { relative: 1e-5, absolute: 1e-5, label: `${batchTokens} tokens` });
      expect(progress.at(-1)).toBe(rows.length);
      if (batchTokens === 1) expect(progress).toHaveLength(rows.length);
      else if (batchTokens === 16_384) expect(progress).toHaveLength(1);
      else expect(progress.length).toBeGreaterThan(1);
    }
  });

  it('gives the Yes logit under yes-logit-bce', async () => {
    const { model, builder } = system;
    const scores = await scoreRows(model, builder, dataset, 'valid', rows.subarray(0, 2), {
      ...loss,
      kind: 'yes-logit-bce',
    });
    using _ = device.step();
    const prompts = Array.from(rows.subarray(0, 2), (row) => promptOfRow(builder, dataset, 'valid', row));
    const logits = await withoutTape(() => model.logits(prompts)).read();
    expectClose(scores, Float64Array.of(logits[2]!, logits[40 + 2]!), { label: 'Yes logits' });
  });

  it('scores nothing for no rows, and stops when asked', async () => {
    const { model, builder } = system;
    expect(await scoreRows(model, builder, dataset, 'test', new Int32Array(0), loss)).toHaveLength(0);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(scoreRows(model, builder, dataset, 'valid', rows, loss, { signal })).rejects.toBe(reason);
  });
});
