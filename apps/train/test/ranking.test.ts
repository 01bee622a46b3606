/** Ranking metrics in the report of a CF method: asked for by config, refused where they cannot be. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readMetrics } from '@crossgate/experiment';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

const config = `method: mf
data: { path: ml-1m }
cf: { cfDim: 6, loss: bpr, betas: [0.9, 0.98], learningRate: 0.02, batchSize: 16, epochs: 2, selectBy: ndcg }
evaluation: { ranking: { k: 3 } }
`;

it('trains by NDCG on valid and reports the lists of both splits', async () => {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'mf.yaml': config });
  const { code, stdout, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r'], { cwd });
  expect(code, stderr).toBe(0);
  const result = JSON.parse(await readFile(join(cwd, 'r/result.json'), 'utf8'));
  expect(Object.keys(result.ranking)).toEqual(['valid', 'test']);
  for (const part of Object.values<Record<string, number>>(result.ranking)) {
    expect(part).toMatchObject({ k: 3, negatives: null, users: expect.any(Number) });
    for (const name of ['recall', 'precision', 'ndcg', 'mrr', 'map', 'hit', 'coverage']) {
      expect(part[name]).toBeGreaterThan(0);
      expect(part[name]).toBeLessThanOrEqual(1);
    }
  }
  const epochs = readMetrics(join(cwd, 'r/metrics.jsonl')).map((record) => record['ndcg@3']);
  expect(result.details.cf).toMatchObject({ selectBy: 'ndcg@3', validBest: Math.max(...(epochs as number[])) });
  expect(result.details.cf.validBest).toBe(result.ranking.valid.ndcg);
  expect(stdout).toMatch(/NDCG/);
});

it('refuses more negatives than there are before anything is trained', async () => {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'mf.yaml': config.replace('k: 3', 'k: 3, negatives: 8') });
  const { code, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r'], { cwd });
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/ranking: 8 negatives, but user "\d+" has no positive with only \d of 9 items/);
  await expect(readFile(join(cwd, 'r/metrics.jsonl'))).rejects.toThrow(/ENOENT/);
});

it.each([
  [
    'method: mean\nevaluation: { ranking: { k: 3 } }\n',
    /mf\.yaml:2:\d+: evaluation\.ranking is for mf.*method is mean/,
  ],
  ['method: mf\ncf: { selectBy: recall }\n', /mf\.yaml:2:\d+: cf\.selectBy recall needs evaluation\.ranking\.k/],
])('refuses %j', async (text, message) => {
  const cwd = await folderWith({ 'mf.yaml': text });
  const { code, stderr } = await runCli(['train', 'mf.yaml'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});
