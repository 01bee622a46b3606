/** What becomes of steps whose values are not finite: reported, ended by name, or gone on from in f32. */
import type { LossScalerState } from '@crossgate/tensor';
import { expect, it } from 'vitest';
import { NonFiniteLossError, type StepReport } from '../src';
import { StepReports } from '../src/step-reports';

/** Finishes a step of a loss and a loss scale; tells what was reported and why it fell back. */
async function finish(
  loss: number,
  scale: Partial<LossScalerState> | null,
  precision: 'f32' | 'f16',
  activations: 'f32' | 'f16' = 'f32',
) {
  const [reported, reasons]: [StepReport[], string[]] = [[], []];
  const reports = new StepReports(
    (report) => reported.push(report),
    (reason) => reasons.push(reason),
  );
  const none = { scale: 1, goodSteps: 0, skippedSteps: 0, skippedInRow: 0, updates: 0 };
  await reports.push({
    report: { stage: 0, step: 7, totalSteps: 9, learningRate: 1, tokens: 3 },
    losses: Promise.resolve({
      losses: Float32Array.of(loss),
      lossScale: scale && { ...none, ...scale },
      clipFactor: null,
    }),
    precision,
    activations,
  });
  expect(reported).toEqual([]);
  await reports.settle();
  const skipped = reported.map(({ lossScale }) => lossScale?.skippedSteps ?? 0);
  return { losses: reported.map((report) => report.loss), skipped, reasons };
}

it('reports finite steps, skipped or not', async () => {
  const reported = { losses: [2], skipped: [0], reasons: [] };
  expect(await finish(2, null, 'f32')).toEqual(reported);
  expect(await finish(2, { skippedInRow: 30, scale: 2 }, 'f16')).toEqual(reported);
  expect(await finish(2, { skippedInRow: 19 }, 'f16')).toEqual(reported);
});

it('goes on in f32 where products in f16 overflow', async () => {
  const words = '20 steps in a row, up to step 7 of stage 1, had gradients that are not finite';
  for (const activations of ['f32', 'f16'] as const) {
    const stuck = finish(2, { skippedInRow: 20, skippedSteps: 21 }, 'f16', activations);
    expect(await stuck).toEqual({ losses: [2], skipped: [21], reasons: [words] });
  }
  await expect(finish(2, { skippedInRow: 20 }, 'f32', 'f16')).rejects.toThrow(
    `${words} though the loss scale came down to 1: probably activations exceed 65,504`,
  );
  await expect(finish(2, { skippedInRow: 20 }, 'f32')).rejects.toThrow(`${words} in f32: lower the learning rate`);
  // The log has the step, with what it skipped.
  const lost = { losses: [null], skipped: [3], reasons: ['the loss is NaN at step 7 of stage 1'] };
  const scale = { skippedInRow: 1, skippedSteps: 3, scale: 2 ** 16 };
  expect(await finish(Number.NaN, scale, 'f16')).toEqual(lost);
});

it('ends a training whose parameters may be lost, or that multiplied in f32', async () => {
  for (const [skippedInRow, precision] of [
    [0, 'f16'],
    [1, 'f32'],
  ] as const) {
    const failing = finish(Number.NaN, { skippedInRow }, precision);
    await expect(failing).rejects.toBeInstanceOf(NonFiniteLossError);
    await expect(failing).rejects.toThrow('the loss is NaN at step 7 of stage 1: lower the learning rate');
  }
});
