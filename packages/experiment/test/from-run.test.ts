/** Trainings that continue a finished run on data that have grown. */
import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { folderWith, writeTinyModel } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, openLiveRun, openRun, openSession, readMetrics, runExperiment } from '../src';

const rows = Array.from({ length: 96 }, (_, n) => {
  const [user, item] = [n % 12, (n * 5 + Math.floor(n / 12)) % 10];
  return `u${user},i${item},${(user + item) % 2 === 0 ? 1 : 0},${100 + n}`;
});
const base = `data: { name: csv, path: shop.csv, split: { by: time, valid: 0.1, test: 0.1 } }
cf: { cfDim: 8, initStd: 0.3, learningRate: 0.05, batchSize: 16, epochs: 12, selectBy: last, sasrec: { blocks: 1 } }
llm: { path: model }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
lora: { rank: 2 }
training: { selectBy: last, stage1: &s { rows: 8, batchSize: 4 }, stage2: *s }
evaluation: { validRows: 4, testRows: 4, batchTokens: 2000 }
`;
const files = { 'shop.csv': `user,item,label,timestamp\n${rows.join('\n')}\n`, 'base.yaml': `method: mf\n${base}` };
const newer = ['new,i1,1,300', 'u3,i10,1,301', 'new,i10,1,302', 'u1,i2,1,303', 'new,i3,0,304', 'u5,i10,0,305'];
// A third of all, so that they reach train.
const grown = Array.from({ length: 8 }, (_, n) =>
  newer.map((row) => row.replace(/\d+$/, (time) => `${+time + 10 * n}`)),
);

async function tensors(path: string) {
  const source = await openFile(path);
  return (await parseState(source).finally(() => source.close())).state;
}

describe('train --from', () => {
  it.each(['mf', 'lightgcn', 'sasrec', 'asvd'])('goes on with what %s learned, under the old ids', async (name) => {
    const cwd = await folderWith(files);
    await using session = openSession({ cwd });
    const set = [`method=${name}`, `cf.model=${name}`];
    await runExperiment(await loadConfig('base.yaml', { cwd, set }), session, { run: 'april' });
    await appendFile(join(cwd, 'shop.csv'), `${grown.flat().join('\n')}\n`);
    const config = await loadConfig('base.yaml', { cwd, set: [...set, 'cf.epochs=2', 'cf.learningRate=1e-9'] });
    await using later = openSession({ cwd });
    const result = await runExperiment(config, later, { run: 'may', from: 'april' });
    const { dataset: before } = await openRun(later, 'april', []).then(async (run) => {
      await run.scorer.close();
      return run;
    });
    expect(result.from).toEqual({ run: 'april', dataHash: before.hash });
    const stored = parse(await readFile(join(cwd, 'may/config.yaml'), 'utf8'));
    expect(stored.provenance.from).toEqual(result.from);
    const { dataset, scorer } = await openRun(later, 'may', []);
    await scorer.close();
    expect(dataset.users.slice(0, before.users.length)).toEqual(before.users);
    expect(dataset.items.slice(0, before.items.length)).toEqual(before.items);
    expect([dataset.users.at(-1), dataset.items.at(-1)!.id]).toEqual(['new', 'i10']);
    // At a rate of nothing, the values are those that the training started from.
    const [then, now] = [
      await tensors(join(cwd, 'april/cf.safetensors')),
      await tensors(join(cwd, 'may/cf.safetensors')),
    ];
    const table = name === 'asvd' ? 'item_bias.weight' : 'item_embedding.weight';
    const [old, own] = [then.get(table)!, now.get(table)!];
    const width = old.shape[1]!;
    expect(own.shape).toEqual([old.shape[0]! + 1, width]);
    const last = [...own.data.subarray(old.data.length)];
    expect(last.some((value) => Math.abs(value) > 1e-3)).toBe(name !== 'asvd');
    for (const [at, value] of old.data.entries()) expect(own.data[at], `${at}`).toBeCloseTo(value, 4);
    const losses = (run: string) => readMetrics(join(cwd, run, 'metrics.jsonl')).map(({ loss }) => Number(loss));
    if (name !== 'asvd') expect(losses('may')[0]!).toBeLessThan(losses('april')[0]!);
    await using live = await openLiveRun(later, 'may');
    expect([live.user('new')?.known, live.item('i10')?.known]).toEqual(['trained', 'trained']);
  });

  it('starts LoRA, ALG and GATE as trained, and refuses what contradicts the run', async () => {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    await using session = openSession({ cwd });
    const set = ['method=ccf'];
    await runExperiment(await loadConfig('base.yaml', { cwd, set }), session, { run: 'april' });
    await appendFile(join(cwd, 'shop.csv'), `${grown.flat().join('\n')}\n`);
    await using later = openSession({ cwd });
    const slow = ['cf.learningRate=1e-9', 'training.stage1.learningRate=1e-9', 'training.stage2.learningRate=1e-9'];
    const config = await loadConfig('base.yaml', { cwd, set: [...set, ...slow] });
    const may = await runExperiment(config, later, { run: 'may', from: 'april' });
    for (const file of ['adapter/adapter_model.safetensors', 'fusion.safetensors']) {
      const [then, now] = [await tensors(join(cwd, 'april', file)), await tensors(join(cwd, 'may', file))];
      for (const [name, { data }] of then) {
        if (/embedding|seen/.test(name)) continue;
        for (const [at, value] of data.entries()) expect(now.get(name)!.data[at], name).toBeCloseTo(value, 4);
      }
    }
    const refusals = [
      [['method=collm'], 'method was ccf in april, and is collm'],
      [[...set, 'cf.cfDim=6'], 'cf.cfDim was 8 in april, and is 6'],
      [['method=item-mean'], 'item-mean has nothing that a training could start from'],
    ] as const;
    await rm(join(cwd, 'may/result.json'));
    await expect(runExperiment(config, later, { run: 'may', resume: true })).rejects.toThrow(
      /the run was started (from another run|on other data)/,
    );
    const resumed = await runExperiment(config, later, { run: 'may', from: 'april', resume: true });
    expect(resumed.metrics).toEqual(may.metrics);
    for (const [keys, words] of refusals) {
      const other = await loadConfig('base.yaml', { cwd, set: keys });
      await expect(runExperiment(other, later, { run: 'x', from: 'april' })).rejects.toThrow(words);
    }
  });
});
