/** What the scores of the rows look like: ROC curves and calibration. */
import { decimals } from '@crossgate/core';
import { calibration, rocCurve } from '@crossgate/eval';
import type { SplitName } from '@crossgate/experiment';
import type { Point } from '../charts/line-panel';
import { palette, picture } from '../charts/picture';
import { unitPanel } from '../charts/unit-panel';
import { figure, html, legend, type Markup, section, table } from './html';
import type { Parts } from './parts';
import type { ReportedRun } from './read-run';

/** Points of a curve: more cannot be told apart. */
const ROC_POINTS = 200;
const BINS = 10;

const curve = (name: string, points: readonly Point[], index: number) => ({
  name,
  points,
  color: palette[index % palette.length]!,
});

/** The ROC curve of each run that has rows of both classes. */
export async function rocSection(runs: readonly ReportedRun[], split: SplitName, parts: Parts): Promise<Markup> {
  const curves = runs.map(({ name, rows: { label, logit } }) => ({ name, points: rocCurve(label, logit, ROC_POINTS) }));
  const found = curves.flatMap(({ name, points }) => (points === null ? [] : [{ name, points }]));
  const without = curves.filter(({ points }) => points === null).map(({ name }) => name);
  const labels = { x: 'false positive rate', y: 'true positive rate' };
  const series = found.map(({ name, points }, index) => curve(name, points, index));
  return section(
    ...(['roc', 2, 'ROC curves'] as const),
    series.length === 0
      ? ''
      : figure(await picture(`ROC curves on split ${split}`, '', [unitPanel(labels, series, false)]), [
          'The area below a curve is the AUC; that of the diagonal, of random scores, is one half.',
          legend(found.map(({ name }) => name)),
        ]),
    without.length === 0 ? '' : parts.leaveOut('roc', without, 'the rows have one class only'),
  );
}

/** How far the probabilities of each run are those of the labels. */
export async function calibrationSection(
  runs: readonly ReportedRun[],
  split: SplitName,
  parts: Parts,
): Promise<Markup> {
  const isProbable = ({ rows: { score } }: ReportedRun) => score.every((value) => value >= 0 && value <= 1);
  const found = runs.filter(isProbable).map(({ name, rows: { label, score } }) => ({
    name,
    ...calibration(label, score, { bins: BINS, binning: 'equal-mass' }),
  }));
  const without = runs.filter((run) => !isProbable(run)).map(({ name }) => name);
  const labels = { x: 'predicted probability', y: 'share of positives' };
  const series = found.map(({ name, bins }, index) =>
    curve(
      name,
      bins.map(({ meanProbability, positiveRate }) => [meanProbability, positiveRate] as const),
      index,
    ),
  );
  const errors = table(
    `Calibration errors on split ${split}, ${BINS} bins of equal mass`,
    ['run', 'expected', 'largest'],
    found.map(({ name, expectedError, maximumError }) => [name, decimals(expectedError), decimals(maximumError)]),
  );
  return section(
    ...(['calibration', 2, 'Calibration'] as const),
    found.length === 0
      ? ''
      : html`${figure(await picture(`Calibration on split ${split}`, '', [unitPanel(labels, series, true)]), [
          'Each dot is a tenth of the rows, by predicted probability. Above the diagonal a run is too careful, below it too sure.',
          legend(found.map(({ name }) => name)),
        ])}${errors}`,
    without.length === 0 ? '' : parts.leaveOut('calibration', without, 'the scores are no probabilities'),
  );
}
