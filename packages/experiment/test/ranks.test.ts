/** What ranks find out about each other before the first step. */
import { inProcess } from '@crossgate/collective';
import { InputError, InterruptedError, NoAdapterError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import { expect, it } from 'vitest';
import { checkOwnGpus, checkSameFacts } from '../src/ranks/agree';
import { onEveryRank, onRankZero } from '../src/ranks/on-rank-zero';

/** What each rank is told; null where nothing is wrong. */
const told = (checks: readonly Promise<unknown>[]) =>
  Promise.all(checks.map((check) => check.then(() => null).catch((error: Error) => error.message)));

it('names the first key that differs, on all ranks alike', async () => {
  const facts = (epochs: string) =>
    new Map([
      ['the hash of the data', 'a'],
      ['cf.epochs', epochs],
    ]);
  const check = (...epochs: string[]) =>
    told(inProcess(3).map((ranks, rank) => checkSameFacts(ranks, facts(epochs[rank]!))));
  expect(await check('3', '3', '3')).toEqual([null, null, null]);
  const words =
    'cf.epochs is 4 on rank 2, but 3 on rank 0; give all ranks the same config, data, model and version of Crossgate';
  expect(await check('3', '3', '4')).toEqual([words, words, words]);
});

it('refuses two ranks on one hardware GPU, and lets them share a software one', async () => {
  const device = (name: string, software: boolean) => ({ capabilities: { name, software } }) as unknown as Device;
  const check = (...devices: Device[]) =>
    told(inProcess(devices.length).map((ranks, rank) => checkOwnGpus(ranks, devices[rank]!)));
  expect(await check(device('llvmpipe', true), device('llvmpipe', true))).toEqual([null, null]);
  expect(await check(device('one', false), device('other', false))).toEqual([null, null]);
  const [first, second] = await check(device('H200', false), device('H200', false));
  expect(first).toMatch(
    /^ranks 0 and 1 would share the GPU H200 of .*; let each rank see .* or add --allow-shared-gpu$/,
  );
  expect(second).toBe(first);
});

it('gives all ranks what rank 0 finds, or why it finds nothing', async () => {
  const values = await Promise.all(inProcess(2).map((ranks) => onRankZero(ranks, async () => ({ rank: ranks.rank }))));
  expect(values).toEqual([{ rank: 0 }, { rank: 0 }]);
  const fails = () =>
    Promise.reject(new InputError('is a file', { place: 'runs/a', fix: 'choose another', code: 'file.kind' }));
  const errors = await Promise.all(
    inProcess(2).map((ranks) => onRankZero(ranks, fails).catch((error: unknown) => error)),
  );
  for (const error of errors) {
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ message: 'runs/a: is a file; choose another', code: 'file.kind' });
  }
});

it.each([
  ['InterruptedError', new InterruptedError(), 'interrupted'],
  ['NoAdapterError', new NoAdapterError('no usable GPU'), 'no usable GPU'],
  [
    'InputError',
    new InputError('is a file', { place: 'model', fix: 'name a folder' }),
    'model: is a file; name a folder',
  ],
  ['CrossgateError', new Error('broken'), 'broken'],
])('ends all ranks by the %s of one, and undoes what others have done', async (name, error, words) => {
  const undone: number[] = [];
  const ends = inProcess(2).map(({ rank, ...ranks }) =>
    onEveryRank(
      { rank, ...ranks },
      async () => {
        if (rank === 1) throw error;
        return rank;
      },
      async (value) => void undone.push(value),
    ).catch((found: unknown) => found),
  );
  const [other, own] = await Promise.all(ends);
  expect(other).toMatchObject({ name, message: `rank 1: ${words}` });
  expect(own).toBe(error);
  expect(undone).toEqual([0]);
});
