/** What the epoch of a CF training is chosen by: every criterion is defined on valid, or refused with what is. */
import { buildCsv, type Dataset, memorySource } from '@crossgate/data';
import { folderWith } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { loadConfig } from '../src/config/load';
import { RANKING_METRICS } from '../src/config/schema';
import { checkSelection, selectionOf } from '../src/runners/selection';

/** @param valid item and label of the rows of valid, all of the user who has items p and q in train */
function data(...valid: readonly (readonly [item: string, label: number])[]): Promise<Dataset> {
  const lines = [
    'a,p,1,1',
    'a,q,1,2',
    'a,r,0,3',
    'b,s,1,4',
    ...valid.map(([item, label], n) => `a,${item},${label},${10 + n}`),
  ];
  const source = memorySource({ 'interactions.csv': `user,item,label,timestamp\n${lines.join('\n')}\na,z,1,99\n` });
  return buildCsv(source, { split: { validFrom: 10, testFrom: 99 } });
}

function check(dataset: Dataset, ...set: string[]): Promise<string> {
  return checkBoth(dataset, false, ...set);
}

/** @param andState whether a language model's state is chosen too */
async function checkBoth(dataset: Dataset, andState: boolean, ...set: string[]): Promise<string> {
  const cwd = await folderWith({ 'mf.yaml': 'method: mf\n' });
  const config = await loadConfig('mf.yaml', { cwd, set });
  try {
    checkSelection({ config, dataset }, andState);
  } catch (error) {
    return (error as Error).message;
  }
  return selectionOf({ config, dataset });
}

const lists = (metric: string) => [`cf.selectBy=${metric}`, 'evaluation.ranking.k=3'];

it('takes what is defined', async () => {
  const both = await data(['s', 1], ['t', 0]);
  expect(await check(both)).toBe('auc');
  for (const metric of RANKING_METRICS) expect(await check(both, ...lists(metric))).toBe(metric);
  const likes = await data(['s', 1]);
  for (const metric of RANKING_METRICS) expect(await check(likes, ...lists(metric))).toBe(metric);
  expect(await check(likes, 'cf.selectBy=last')).toBe('last');
  expect(await check(likes, 'cf.run=runs/other')).toBe('auc');
  expect(await check(await data(['p', 1]), ...lists('ndcg'), 'evaluation.ranking.repeats=allow')).toBe('ndcg');
});

it('keeps the last epoch where there are no rows to choose by', async () => {
  const none = await data();
  for (const metric of RANKING_METRICS) expect(await check(none, ...lists(metric))).toBe('last');
  expect(await check(none)).toBe('last');
});

it('refuses what is not, and names what is', async () => {
  const start = 'is not defined on valid, which has';
  const last = 'set it to last, which keeps the last epoch';
  expect(await check(await data(['s', 1]))).toBe(
    `cf.selectBy: auc ${start} only positives; set it to ndcg with evaluation.ranking.k: 10, or ${last}`,
  );
  expect(await check(await data(['s', 0]))).toBe(`cf.selectBy: auc ${start} only negatives; ${last}`);
  for (const metric of RANKING_METRICS) {
    expect(await check(await data(['s', 0], ['t', 0]), ...lists(metric))).toBe(
      `cf.selectBy: ${metric} ${start} no positives; ${last}`,
    );
    expect(await check(await data(['p', 1], ['q', 1]), ...lists(metric))).toBe(
      `cf.selectBy: ${metric} ${start} only positives that train has too; set evaluation.ranking.repeats to allow, or ${last}`,
    );
  }
});

it('refuses lists that can hold no target, unless they are of sampled items', async () => {
  const cold = await data(['new', 1], ['p', 0]);
  const message =
    'cf.selectBy: ndcg is 0 after every epoch on valid, which has only positives of items without train rows; ' +
    'set it to last, which keeps the last epoch';
  expect(await check(cold, ...lists('ndcg'))).toBe(message);
  expect(await check(cold, ...lists('ndcg'), 'evaluation.ranking.negatives=1')).toBe('ndcg');
  expect(await check(await data(['new', 1], ['r', 1]), ...lists('ndcg'))).toBe('ndcg');
});

it('names both keys where a language model is trained too', async () => {
  expect(await checkBoth(await data(['s', 0]), true)).toBe(
    'cf.selectBy: auc is not defined on valid, which has only negatives; ' +
      'set it and training.selectBy to last, which keeps the last epoch and the last state',
  );
});

it.each([
  ['mean', 'does not read it'],
  ['tallrec', 'has no CF model'],
])('takes any criterion of a shared config for %s, which %s', async (method) => {
  const cwd = await folderWith({ 'c.yaml': `method: ${method}\nllm: { path: m }\ncf: { selectBy: ndcg }\n` });
  await expect(loadConfig('c.yaml', { cwd })).resolves.toMatchObject({ method });
});
