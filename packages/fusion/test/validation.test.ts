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
      `^valid has only ${words}: the AUC that the best state is chosen by is not defined; use data with likes`,
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

it('keeps the last state, whatever the patience, where there are no validation rows', async () => {
  const none = withValid(() => 0, 0);
  const system = await tinySystem(device, none, tallrec);
  const reports: EvaluationReport[] = [];
  const settings = { ...defaultSettings, evaluateEvery: 1, patience: 1 };
  const best = await trainHybrid({
    ...trainerOptions(system, none, tallrec, { settings: { stage1: settings, stage2: settings } }),
    onEvaluation: (report) => void reports.push(report),
  });
  expect(best).toBeNull();
  expect(reports.map(({ step, validAuc, best: chosen }) => [step, validAuc, chosen])).toEqual(
    [1, 2, 3, 4, 5].map((step) => [step, null, false]),
  );
  system.release();
});
