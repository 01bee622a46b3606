// Evaluates two score columns on the same rows, compares them, and prints a table.
import { deLongTest, evaluateClicks, renderTable } from '@crossgate/eval';

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
