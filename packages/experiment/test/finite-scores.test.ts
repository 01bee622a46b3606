/** Scores that do not fit f16 come from f32; what f32 cannot hold is an error; and a run is opened as it ended. */
import { NonFiniteLossError } from '@crossgate/core';
import { expect, it } from 'vitest';
import { finiteScores } from '../src/runners/finite-scores';
import { precisionToOpen } from '../src/runs/precision-to-open';

type Precision = 'f16' | 'f32';

/** Scores by a model: what it gives in each precision, how often it was asked, and what was said. */
async function scored(precision: Precision, values: Readonly<Record<Precision, number>>) {
  const warnings: string[] = [];
  const model = {
    llm: { precision },
    multiplyInF32() {
      this.llm = { precision: 'f32' };
    },
  };
  const asked: Precision[] = [];
  const log = { warn: (message: unknown) => warnings.push(String(message)) };
  const scores = await finiteScores(model, 'test', log as never, async () => {
    asked.push(model.llm.precision);
    return Float32Array.of(1, values[model.llm.precision]);
  });
  return { scores: [...scores], asked, warnings };
}

it('scores in f32 what does not fit f16, with a word', async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinite } = Number;
  expect(await scored('f16', { f16: 2, f32: nan })).toEqual({ scores: [1, 2], asked: ['f16'], warnings: [] });
  expect(await scored('f16', { f16: infinite, f32: 3 })).toEqual({
    ...{ scores: [1, 3], asked: ['f16', 'f32'] },
    warnings: ['a score of test is Infinity: values do not fit f16; scoring with products in f32 (llm.precision)'],
  });
  for (const precision of ['f16', 'f32'] as const) {
    const failing = scored(precision, { f16: nan, f32: nan });
    await expect(failing).rejects.toBeInstanceOf(NonFiniteLossError);
    await expect(failing).rejects.toThrow('a score of test is NaN: the model computes values that f32 cannot hold');
  }
});

it.each<[string, Precision, unknown, string[], Precision]>([
  ['in f16 as it was trained', 'f16', { precision: 'f16' }, [], 'f16'],
  ['in f32 where it came to that', 'f16', { precision: 'f32' }, ['data.path=x'], 'f32'],
  ['in f16 again, as the user says', 'f16', { precision: 'f32' }, ['llm.precision=f16'], 'f16'],
  ['in f16 where the user sets it for a run of f32', 'f16', {}, ['llm.precision=f16'], 'f16'],
  ['as its config says, for a run of an earlier version', 'f16', undefined, [], 'f16'],
])('a run is opened %s', (_, asked, details, set, expected) => {
  expect(precisionToOpen(asked, details, set)).toBe(expected);
});
