// Validation rows that define no AUC: one class is refused before training, no rows leave the last state.
import { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EvaluationReport } from '../src';
import { checkValidation, tallrec, trainHybrid } from '../src';
import { tinyDataset } from './tiny';
import { defaultSettings, tinySystem, trainerOptions } from './training';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

/** The data set with other validation rows. */
function withValid(label: (row: number) => number, rows = dataset.splits.valid.rows): Dataset {
  const { valid } = dataset.splits;
  const cut = { ...valid, rows, label: Uint8Array.from({ length: rows }, (_, row) => label(row)) };
  return new Dataset({ ...dataset, splits: { ...dataset.splits, valid: cut } });
}

it.each([
  [1, 'positives'],
  [0, 'negatives'],
])('refuses validation rows of label %i alone before it trains', async (label, words) => {
  const one = withValid(() => label);
  const system = await tinySystem(device, one, tallrec);
  const steps: unknown[] = [];
  const options = { ...trainerOptions(system, one, tallrec), onStep: (report: unknown) => void steps.push(report) };
  await expect(trainHybrid(options)).rejects.toThrow(
    new RegExp(
      `^training\\.selectBy: auc is not defined on valid, which has only ${words}; set it to last, which keeps the last state$`,
    ),
  );
  expect(steps).toEqual([]);
  system.release();
});

it('names the sample where it is too small for both classes', () => {
  const rare = withValid((row) => Number(row === 0));
  expect(() => checkValidation({ dataset: rare, validRows: 1, seed: 3 })).toThrow(
    /^evaluation\.validRows: the sample of 1 rows of valid has only \w+: .* not defined; raise it/,
  );
  expect(() => checkValidation({ dataset: rare, validRows: null, seed: 3 })).not.toThrow();
});

it.each<[string, 'auc' | 'last', (row: number) => number, number | undefined]>([
  ['where there are no validation rows', 'auc', () => 0, 0],
  ['of data with one class there, with selectBy last', 'last', () => 1, undefined],
  ['of data with both classes there, with selectBy last', 'last', (row) => row % 2, undefined],
])('keeps the last state, whatever the patience, %s', async (_, selectBy, label, rows) => {
  const none = withValid(label, rows);
  const system = await tinySystem(device, none, tallrec);
  const reports: EvaluationReport[] = [];
  const settings = { ...defaultSettings, evaluateEvery: 1, patience: 1 };
  const best = await trainHybrid({
    ...trainerOptions(system, none, tallrec, { settings: { stage1: settings, stage2: settings } }),
    selectBy,
    onEvaluation: (report) => void reports.push(report),
  });
  expect(best).toBeNull();
  expect(reports.map(({ step, best: chosen }) => [step, chosen])).toEqual([1, 2, 3, 4, 5].map((step) => [step, false]));
  const isDefined = rows === undefined && label(0) !== label(1);
  for (const { validAuc } of reports) expect(validAuc === null).toBe(!isDefined);
  system.release();
});
