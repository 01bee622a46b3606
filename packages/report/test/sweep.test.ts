/** A search as a table, as CSV and as a picture. */
import type { Sweep, SweepTrial } from '@crossgate/experiment';
import { expect, it } from 'vitest';
import { sweepCsv, sweepPicture, sweepTable } from '../src';

const trial = (number: number, values: SweepTrial['values'], value: number | null, more: Partial<SweepTrial> = {}) => ({
  ...{ trial: number, values, status: 'done', reason: null, code: null, value, firstValue: value, auc: value },
  ...{ auc95: null, uauc: null, logLoss: 0.5, trained: 9, round: null, seconds: 61, run: `s/runs/${number}` },
  ...more,
});

const key = (name: string, option: '--random' = '--random') => ({ key: name, option, values: null });
const sweep = {
  ...{ out: 's', config: 'mf.yaml', strategy: 'random', seed: 1, objective: 'auc', early: null, rounds: [] },
  ...{ unit: 'epochs', seconds: 183 },
  keys: [
    { ...key('cf.learningRate'), range: { low: 1e-4, high: 0.1, log: true, whole: false } },
    { ...key('cf.loss'), values: ['bce', 'b,pr'], range: null },
  ],
  trials: [
    trial(2, { 'cf.learningRate': 0.01, 'cf.loss': 'bce' }, 0.74, { auc95: [0.72, 0.76] }),
    trial(1, { 'cf.learningRate': 0.001, 'cf.loss': 'b,pr' }, 0.73),
    trial(3, { 'cf.learningRate': 0.03 }, 0.6, { status: 'stopped', reason: 'below the median', trained: 3 }),
    trial(4, { 'cf.learningRate': 0.09, 'cf.loss': 'bce' }, null, { status: 'failed', reason: 'the loss is "NaN"' }),
  ],
  importance: [
    { key: 'cf.learningRate', share: 0.412 },
    { key: 'cf.loss', share: null },
  ],
  best: { trial: 2, values: {}, value: 0.74, run: 's/runs/2', config: 's/best.yaml', within: 1, test: null },
} as unknown as Sweep;

it('is a table, best first, with what to know', () => {
  const [head, , ...lines] = sweepTable(sweep).split('\n');
  expect(head).toMatch(/^trial +cf\.learningRate +cf\.loss +AUC +UAUC +epochs +time$/);
  expect(lines.slice(0, 4).map((line) => line.trim().replaceAll(/ +/g, ' '))).toEqual([
    '2 0.01 bce 0.7400 - 9 1m01s best',
    '1 0.001 b,pr 0.7300 - 9 1m01s',
    '3 0.03 – 0.6000 - 3 1m01s stopped: below the median',
    '4 0.09 bce - - 9 1m01s failed: the loss is "NaN"',
  ]);
  const text = lines.join('\n');
  expect(text).toMatch(/^cf\.learningRate +41 %$/m);
  expect(text).toMatch(/^cf\.loss +–$/m);
  expect(text).toMatch(/1 other trial lies within the 95 % interval/);
});

it('is CSV', () => {
  const lines = sweepCsv(sweep).trimEnd().split('\n');
  expect(lines).toEqual([
    'trial,status,reason,cf.learningRate,cf.loss,auc,uauc,logLoss,epochs,round,seconds,run',
    '2,done,,0.01,bce,0.74,,0.5,9,,61,s/runs/2',
    '1,done,,0.001,"b,pr",0.73,,0.5,9,,61,s/runs/1',
    '3,stopped,below the median,0.03,,0.6,,0.5,3,,61,s/runs/3',
    '4,failed,"the loss is ""NaN""",0.09,bce,,,0.5,9,,61,s/runs/4',
  ]);
});

it('is a picture with a panel for each key', async () => {
  const svg = (await sweepPicture(sweep))!;
  // Three trials have a rate and a value, two of them a loss.
  expect(svg.match(/<circle/g)).toHaveLength(5);
  expect(svg).toContain('cf.learningRate · explains 41 % of the ranks');
  for (const tick of ['0.001', '0.01', '0.03', 'b,pr']) expect(svg).toContain(`>${tick}<`);
  expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
  expect(await sweepPicture({ ...sweep, trials: sweep.trials.slice(3) })).toBeNull();
});
