/** What docs say of the growth of CF training is what was measured, as this study's tables say it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bytesOf, type Fit, type Measured, secondsOf } from './growth.mjs';
import { memoryTable, partsTable, timeTable } from './tables.mjs';

const read = (name: string) => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
const { measured, models } = JSON.parse(read('docs/results/cf-growth/growth.json')) as {
  measured: Measured[];
  models: Record<string, Fit>;
};

it('the sums are as far from what was measured as they say', () => {
  for (const [model, { bytes, secondsPerStep }] of Object.entries(models)) {
    const own = measured.filter((one) => one.model === model);
    const worst = (errors: number[]) => Math.max(...errors.map(Math.abs));
    const fit = { bytes, secondsPerStep };
    expect(worst(own.map((one) => bytesOf(fit, one) / one.deviceBytes - 1))).toBeCloseTo(bytes.error, 6);
    expect(worst(own.map((one) => secondsOf(fit, one) / one.secondsPerStep - 1))).toBeCloseTo(secondsPerStep.error, 6);
  }
});

it.each([
  ['docs/scale.md', memoryTable],
  ['docs/scale.md', timeTable],
  ['docs/results/cf-growth/README.md', partsTable],
])('%s shows the table that the study makes', (name, table) => {
  expect(read(name)).toContain(table(models));
});

it('the errors that docs/scale.md names are those of the fit', () => {
  const percent = (model: string) => `${Number((100 * models[model]!.secondsPerStep.error).toPrecision(2))} %`;
  const prose = read('docs/scale.md').replaceAll('\n', ' ');
  expect(prose).toContain(
    `up to ${percent('mf')} off for MF, ${percent('lightgcn')} for LightGCN, ${percent('sasrec')} for SASRec and ${percent('asvd')} for`,
  );
});
