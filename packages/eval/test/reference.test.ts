/** Every metric against scikit-learn, SciPy and statsmodels (reference/eval-metrics.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  auc,
  bootstrapClicks,
  calibration,
  evaluateClicks,
  gauc,
  holmAdjust,
  logLoss,
  perUserRanking,
  signedRankTest,
  topItems,
  uauc,
} from '../src/index';

interface Reference {
  clicks: {
    user: number[];
    label: number[];
    probability: number[];
    auc: number;
    uauc: number;
    gaucImpressions: number;
    gaucPositives: number;
    bothClasses: number;
    logLoss: number;
    calibration: Record<
      'equal-width' | 'equal-mass',
      {
        rows: number[];
        positiveRate: number[];
        meanProbability: number[];
        expectedError: number;
        maximumError: number;
      }
    >;
    userWeight: number[];
    weightedAuc: number;
  };
  ranking: {
    k: number;
    items: number;
    cases: {
      order: number[];
      relevant: number[];
      ndcg: number;
      precision: number;
      recall: number;
      averagePrecisionOfAll: number;
    }[];
  };
  paired: { a: number[]; b: number[]; wPlus: number; smaller: number; z: number; pValue: number }[];
  holm: { pValues: number[]; adjusted: number[] };
}

const reference = JSON.parse(
  readFileSync(new URL('./fixtures/reference-metrics.json', import.meta.url), 'utf8'),
) as Reference;

describe('click metrics', () => {
  const { clicks } = reference;
  const { user, label, probability: score } = clicks;

  it('equal roc_auc_score and log_loss, over all rows and per user', () => {
    expect(auc(label, score)).toBeCloseTo(clicks.auc, 12);
    expect(uauc({ user, label, score })).toEqual({ uauc: expect.closeTo(clicks.uauc, 12), users: clicks.bothClasses });
    expect(gauc({ user, label, score }).gauc).toBeCloseTo(clicks.gaucImpressions, 12);
    expect(gauc({ user, label, score }, 'positives').gauc).toBeCloseTo(clicks.gaucPositives, 12);
    expect(logLoss(label, score)).toBeCloseTo(clicks.logLoss, 12);
    expect(evaluateClicks({ user, label, score }).auc).toBeCloseTo(clicks.auc, 12);
  });

  it.each(['equal-width', 'equal-mass'] as const)('equal calibration_curve with %s bins', (binning) => {
    const expected = clicks.calibration[binning];
    const actual = calibration(label, score, { binning });
    expect(actual.bins.map((bin) => bin.rows)).toEqual(expected.rows);
    for (const [index, bin] of actual.bins.entries()) {
      expect(bin.positiveRate).toBeCloseTo(expected.positiveRate[index]!, 12);
      expect(bin.meanProbability).toBeCloseTo(expected.meanProbability[index]!, 12);
    }
    expect(actual.expectedError).toBeCloseTo(expected.expectedError, 12);
    expect(actual.maximumError).toBeCloseTo(expected.maximumError, 12);
  });

  it('equal roc_auc_score with the rows of users repeated', () => {
    const repeated = user.flatMap((id, row) => new Array<number>(clicks.userWeight[id]!).fill(row));
    const take = (column: number[]) => repeated.map((row) => column[row]!);
    expect(auc(take(label), take(score))).toBeCloseTo(clicks.weightedAuc, 12);
    // The bootstrap's own AUC, whose estimate has weight 1 for every user.
    const estimate = bootstrapClicks({ user, label, score }, { samples: 1 });
    expect(estimate.auc.estimate).toBeCloseTo(clicks.auc, 12);
    expect(estimate.uauc.estimate).toBeCloseTo(clicks.uauc, 12);
  });
});

it('ranking metrics equal ndcg_score, precision_score, recall_score and average_precision_score', () => {
  const { k, items, cases } = reference.ranking;
  const recommended = cases.map(({ order }) => {
    const scores = new Float64Array(items + 1);
    for (const [place, item] of order.entries()) scores[item] = -place;
    return topItems(scores, { k: items });
  });
  expect(recommended.map((list) => Array.from(list))).toEqual(cases.map(({ order }) => order));
  const lists = { recommended, relevant: cases.map((one) => one.relevant) };
  const atK = perUserRanking(lists, { k });
  const all = perUserRanking(lists, { k: items, mapDivisor: 'relevant' });
  for (const [index, one] of cases.entries()) {
    expect(atK.ndcg[index]).toBeCloseTo(one.ndcg, 12);
    expect(atK.precision[index]).toBeCloseTo(one.precision, 12);
    expect(atK.recall[index]).toBeCloseTo(one.recall, 12);
    expect(all.averagePrecision[index]).toBeCloseTo(one.averagePrecisionOfAll, 12);
  }
});

it('the signed-rank test equals scipy.stats.wilcoxon, with ties and zeros', () => {
  for (const { a, b, ...expected } of reference.paired) {
    const actual = signedRankTest(a, b);
    expect(actual.zeros).toBeGreaterThanOrEqual(3);
    expect(actual.wPlus).toBe(expected.wPlus);
    expect(Math.min(actual.wPlus, actual.wMinus)).toBe(expected.smaller);
    expect(actual.z).toBeCloseTo(expected.z, 12);
    expect(actual.pValue / expected.pValue).toBeCloseTo(1, 10);
  }
});

it("Holm's correction equals multipletests", () => {
  const adjusted = holmAdjust(reference.holm.pValues);
  for (const [index, value] of reference.holm.adjusted.entries()) expect(adjusted[index]).toBeCloseTo(value, 12);
});
