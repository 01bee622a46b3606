// Evaluates two score columns on the same rows, compares them, ranks items, and prints tables.
import { bootstrapClicks, deLongTest, evaluateClicks, rankingMetrics, renderTable, topItems } from '@crossgate/eval';

const user = ['ann', 'ann', 'ann', 'bob', 'bob', 'bob', 'cai', 'cai'];
const label = [1, 0, 1, 0, 1, 0, 1, 0];
const models = {
  popularity: [0.6, 0.6, 0.4, 0.4, 0.7, 0.7, 0.5, 0.3],
  ours: [0.9, 0.2, 0.6, 0.3, 0.8, 0.7, 0.6, 0.4],
};

const rows = Object.entries(models).map(([name, score]) => {
  const { auc, auc95, uauc, logLoss } = evaluateClicks({ user, label, score });
  return [name, auc, auc95?.map((bound) => bound.toFixed(3)).join(' – '), uauc, logLoss];
});
console.log(renderTable(['model', 'AUC', '95 %', 'UAUC', 'log loss'], rows));
console.log('p =', deLongTest(label, models.ours, models.popularity)?.pValue.toFixed(4));
const { uauc } = bootstrapClicks({ user, label, score: models.ours, base: models.popularity });
console.log('gain of UAUC over users:', uauc.interval?.map((bound) => bound.toFixed(3)).join(' … '));

// Scores of items 1 … 5 for two users; item 0 is padding. The first user already knows item 2.
const recommended = [
  topItems([0, 0.2, 0.9, 0.4, 0.7, 0.1], { k: 3, exclude: [2] }),
  topItems([0, 0.8, 0.3, 0.5, 0.2, 0.6], { k: 3 }),
];
const { recall, ndcg, coverage } = rankingMetrics({ recommended, relevant: [[4, 5], [3]] }, { k: 3, items: 5 });
console.log(renderTable(['recall@3', 'NDCG@3', 'coverage'], [[recall, ndcg, coverage]], 'markdown'));
