/** A method that is one file and one line in the list: the schema knows it, and the program trains and scores it. */
import './one-file-method/listed';

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

const stage = { rows: 8, batchSize: 4, learningRate: 0.01 };
const config = `method: prefix-fused
data: { name: ml-1m, path: ml-1m }
cf: { cfDim: 6, epochs: 1, batchSize: 16 }
llm: { path: model }
lora: { rank: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
prompt: { historyLength: 2, noun: films }
training: ${JSON.stringify({ stage1: stage, stage2: stage })}
evaluation: { validRows: 4, testRows: 8 }
`;

it('trains by `crossgate train`, keeps what it trained, and scores again', async () => {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'c.yaml': config });
  await writeTinyModel(join(cwd, 'model'));
  const crossgate = async (...argv: string[]) => {
    const { code, stdout, stderr } = await runCli([...argv, '--json'], { cwd });
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  // By its name alone, the schema and the defaults of its declaration.
  expect((await crossgate('config', 'schema')).properties.method.enum).toContain('prefix-fused');
  const { training, loss } = await crossgate('config', 'show', 'c.yaml');
  expect([training.strategy, loss.name]).toEqual(['two-stage', 'yes-logit-bce']);
  const refused = await runCli(['train', 'c.yaml', '--set', 'training.strategy=end-to-end'], { cwd });
  expect(refused.stderr).toContain('prefix-fused cannot be trained end-to-end; choose two-stage');

  const result = await crossgate('train', 'c.yaml', '--run', 'run');
  expect(result).toMatchObject({ method: 'prefix-fused', information: 'H', metrics: { test: { rows: 8 } } });
  expect(result.details.stages).toMatchObject([
    { name: 'stage1', trains: ['lora', 'learned'], rows: 8 },
    { name: 'stage2', trains: ['fusion'], rows: 8 },
  ]);
  const steps = (await readFile(join(cwd, 'run', 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ loss: value }) => typeof value === 'number');
  const phases = steps.map(({ phase }) => phase);
  expect(phases.filter((phase) => phase === 'stage1')).toHaveLength(2);
  expect(phases.filter((phase) => phase === 'stage2')).toHaveLength(2);

  // The finished run is all that is needed to score: its own rows come to the scores it stored.
  const [head, ...lines] = (await readFile(join(cwd, 'run', 'predictions', 'test.csv'), 'utf8')).trim().split('\n');
  const cells = lines.map((line) => line.split(','));
  const at = (name: string) => head!.split(',').indexOf(name);
  const pairs = cells.map((row) => `${row[at('user')]},${row[at('item')]}`);
  await writeFile(join(cwd, 'pairs.csv'), `${['user,item', ...pairs].join('\n')}\n`);
  await crossgate('predict', 'run', '--pairs', 'pairs.csv', '--out', 'scores.csv');
  const scores = (await readFile(join(cwd, 'scores.csv'), 'utf8')).trim().split('\n').slice(1);
  expect(scores.map((line) => line.split(',').slice(0, 2).join(','))).toEqual(pairs);
  for (const line of scores) expect(Number(line.split(',')[2])).toBeGreaterThan(0);
  const evaluated = await crossgate('evaluate', 'run');
  expect(evaluated).toMatchObject({ metrics: { test: { auc: result.metrics.test.auc } } });
});
