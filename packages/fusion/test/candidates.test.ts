// Candidates behind a shared prefix have the scores of whole prompts.
import { SasRec } from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  CandidateScorer,
  CfChannel,
  ccf,
  HybridModel,
  type Method,
  PromptBuilder,
  promptFor,
  scorePrompts,
  tallrec,
} from '../src';
import { tinyDataset, tinyTokenizer } from './tiny';
import { randomizeLora, type TinySystem, tinySystem } from './training';

const loss = { kind: 'eq5', k: 2, bprOn: 'probability', yesToken: 2, noToken: 3 } as const;
const itemFirst: Method = { ...tallrec, template: '{item} after {history}? #Answer:' };

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

/** Scores by both ways; titles of growing length, so that the last ones leave less room for history. */
async function compare({ model, builder }: TinySystem, changes: object, items: Int32Array, label: string) {
  const titles = dataset.items.map(({ title }, i) => `${title}${' long'.repeat(i)}`);
  const own = new PromptBuilder(tinyTokenizer, titles, { ...builder.options, ...changes });
  const user = { user: 4, history: dataset.positives(4) };
  const prompts = Array.from(items, (item) => promptFor(own, { ...user, item }));
  const whole = await scorePrompts(model, prompts, items.length, loss);
  using scorer = new CandidateScorer(model, own, user, loss);
  const progress: number[] = [];
  const scores = await scorer.score(items, { batchTokens: 60, onProgress: (done) => progress.push(done) });
  expectClose(scores, Float64Array.from(whole), { relative: 1e-4, absolute: 1e-4, label });
  expect(new Set(scores).size).toBeGreaterThan(items.length / 2);
  expect(progress.at(-1)).toBe(items.length);
  // A second call finds the prefixes there.
  const held = device.report().persistent.cache;
  expectClose(await scorer.score(items.subarray(0, 2)), Float64Array.from(scores.subarray(0, 2)), { label: 'again' });
  expect(device.report().persistent.cache).toBe(held);
  return new Set(prompts.map(({ sharedLength }) => sharedLength)).size;
}

describe('CandidateScorer', () => {
  const items = Int32Array.of(3, 1, 9, 10, 2, 5, 7, 3);

  it.each([ccf, tallrec, itemFirst])('gives the scores of whole prompts: $template', async (method) => {
    const system = await tinySystem(device, dataset, method);
    await randomizeLora(system.model);
    expect(await compare(system, {}, items, method.name)).toBe(1);
    // With little room, long titles push history out: the prefixes then differ.
    const room = method === ccf ? 84 : 66;
    if (method !== itemFirst)
      expect(await compare(system, { maxLength: room }, items, 'little room')).toBeGreaterThan(1);
    system.release();
    expect(device.report().persistent.cache ?? 0).toBe(0);
  });

  it('follows a user whose vector is made of the history', async () => {
    const system = await tinySystem(device, dataset, ccf);
    const seen = (count: number) => Uint8Array.from({ length: count }, (_, i) => Number(i > 0));
    const backend = SasRec.create(device, {
      ...{ cfDim: 6, historyLength: 4, blocks: 1, heads: 1, norm: 'post', dropout: 0, seed: 1 },
      ...{ userSeen: seen(dataset.users.length), itemSeen: seen(dataset.items.length) },
    });
    const model = new HybridModel(system.model.llm, [new CfChannel(backend, system.model.cf[0]!.networks)]);
    await compare({ ...system, model }, { userHistoryLength: 4 }, items, 'sasrec');
    backend.release();
    system.release();
  });

  it('makes no bind group and no buffer but those that are read back, whoever comes next', async () => {
    const { model, builder, release } = await tinySystem(device, dataset, ccf);
    const scoreAll = async () => {
      for (let user = 1; user < dataset.users.length; user++) {
        using scorer = new CandidateScorer(model, builder, { user, history: dataset.positives(user) }, loss);
        await scorer.score(items);
      }
    };
    for (let round = 0; round < 3; round++) await scoreAll();
    const createBindGroup = vi.spyOn(device.gpu, 'createBindGroup');
    const createBuffer = vi.spyOn(device.gpu, 'createBuffer');
    await scoreAll();
    expect(createBindGroup).not.toHaveBeenCalled();
    expect(new Set(createBuffer.mock.calls.map(([{ label }]) => label))).toEqual(new Set(['readback']));
    createBindGroup.mockRestore();
    createBuffer.mockRestore();
    release();
  });

  it('refuses unknown items and stops when asked', async () => {
    const { model, builder, release } = await tinySystem(device, dataset, tallrec);
    using scorer = new CandidateScorer(model, builder, { user: 1, history: dataset.positives(1) }, loss);
    await expect(scorer.score([1, 11])).rejects.toThrow('item 11 is not in the data set (1 … 10)');
    const reason = new Error('enough');
    await expect(scorer.score([1], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await scorer.score([])).toHaveLength(0);
    scorer.release();
    release();
  });
});
