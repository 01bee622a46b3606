/** What a finished run holds beside its scores: items in the space of the language model, and what its first stage thought. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ExperimentResult,
  firstStageScores,
  fusedItemEmbeddings,
  loadConfig,
  openRunFiles,
  openSession,
  readPredictions,
  runExperiment,
  type Session,
} from '../src';

const adapters = await listAdapters();

const stages = { rows: 12, batchSize: 4, learningRate: 0.01 };
const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': 'method: mf\ndata: { path: ml-1m }\ncf: { cfDim: 8, epochs: 2, batchSize: 16 }\n',
  'llm.yaml': `method: ccf
data: { path: ml-1m }
llm: { path: model }
cf: { cfDim: 8, run: mf }
lora: { rank: 2 }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
training: ${JSON.stringify({ stage1: stages, stage2: stages })}
`,
};

let cwd: string;
let session: Session;
const train = async (run: string, ...set: string[]): Promise<ExperimentResult> =>
  runExperiment(await loadConfig(run === 'mf' ? 'mf.yaml' : 'llm.yaml', { cwd, set }), session, { run });

beforeAll(async () => {
  // Kept for all tests of this file.
  cwd = await mkdtemp(join(tmpdir(), 'crossgate-contents-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    await writeFile(join(cwd, name), content);
  }
  await writeTinyModel(join(cwd, 'model'));
  session = openSession({ cwd });
  if (adapters.length > 0) await train('mf');
});
afterAll(async () => {
  await session.close();
  await rm(cwd, { recursive: true, force: true });
});

const items = [3, 1, 9, 3];
const width = 16;
const row = (values: Float32Array, index: number) => [...values.subarray(index * width, (index + 1) * width)];

/** The embeddings of a title's tokens, from the files of the model: each token is one character. */
async function titleMean(title: string): Promise<number[]> {
  const source = await openFile(join(cwd, 'model/model.safetensors'));
  const { state } = await parseState(source).finally(() => source.close());
  const table = state.get('model.embed_tokens.weight')!.data;
  const { model } = JSON.parse(await readFile(join(cwd, 'model/tokenizer.json'), 'utf8'));
  const tokens = [...title].map((character) => model.vocab[character === ' ' ? '▁' : character]);
  return Array.from(
    { length: width },
    (_, column) => tokens.reduce((sum, token) => sum + table[token * width + column]!, 0) / tokens.length,
  );
}

describe.skipIf(adapters.length === 0)('the embeddings of items', { timeout: 240_000 }, () => {
  it('are means over the tokens of titles, with α of each item times its aligned vector when fused', async () => {
    await train('ccf', 'gate.activation=sigmoid');
    const { title, fused, backends, hiddenSize } = await fusedItemEmbeddings('ccf', session, items);
    expect(hiddenSize).toBe(width);
    expect(backends.map(({ name }) => name)).toEqual(['mf']);
    const [{ aligned, alpha }] = backends as [(typeof backends)[number]];
    const { dataset } = await openRunFiles(session, 'ccf', []);
    for (const [index, item] of items.entries()) {
      const mean = await titleMean(dataset.items[item]!.title);
      for (const [column, value] of row(title, index).entries()) expect(value).toBeCloseTo(mean[column]!, 5);
      // The aligned vector is the same at each token, so the mean of α is all that the mean of the fused ones has.
      for (let k = index * width; k < (index + 1) * width; k++) {
        expect(fused![k]).toBeCloseTo(title[k]! + alpha![k]! * aligned[k]!, 5);
        expect(alpha![k]).toBeGreaterThan(0);
        expect(alpha![k]).toBeLessThan(1);
      }
    }
    expect(row(aligned, 0)).toEqual(row(aligned, 3));
    expect(row(aligned, 0)).not.toEqual(row(aligned, 1));
    expect(new Set(row(alpha!, 0)).size).toBeGreaterThan(width / 2);
    // Nothing but the weights stays on the device.
    const { weights: _, ...left } = (await session.device()).report().persistent;
    expect(left).toEqual({});
  });

  it('have one α for all dimensions, or α = 1, where the run has', async () => {
    await train('token', 'gate.width=token');
    const [token] = (await fusedItemEmbeddings('token', session, items)).backends;
    for (const index of items.keys()) expect(new Set(row(token!.alpha!, index)).size).toBe(1);
    await train('one', 'gate.width=one');
    const { title, fused, backends } = await fusedItemEmbeddings('one', session, items);
    expect(backends[0]!.alpha).toBeNull();
    for (const [k, value] of fused!.entries()) expect(value).toBeCloseTo(title[k]! + backends[0]!.aligned[k]!, 5);
  });

  it('have the vectors of each of two backends', async () => {
    await train('two', 'cf.run=[mf, mf]');
    const { title, fused, backends } = await fusedItemEmbeddings('two', session, items);
    expect(backends.map(({ name }) => name)).toEqual(['mf', 'mf']);
    const [a, b] = backends as [(typeof backends)[number], (typeof backends)[number]];
    expect(a.aligned).not.toEqual(b.aligned);
    for (const [k, value] of fused!.entries()) {
      expect(value).toBeCloseTo(title[k]! + a.alpha![k]! * a.aligned[k]! + b.alpha![k]! * b.aligned[k]!, 4);
    }
  });

  it('are not fused where titles are not', async () => {
    await train('collm', 'method=collm');
    const { fused, backends } = await fusedItemEmbeddings('collm', session, items);
    expect([fused, backends[0]!.alpha]).toEqual([null, null]);
    expect(backends[0]!.aligned.some((value) => value !== 0)).toBe(true);
  });

  it('are refused for a run without any, and for items that are not there', async () => {
    await train('softprompt', 'method=softprompt');
    for (const run of ['mf', 'softprompt']) {
      await expect(fusedItemEmbeddings(run, session, items)).rejects.toMatchObject({ code: 'run.not-held' });
    }
    await expect(fusedItemEmbeddings('ccf', session, [0])).rejects.toThrow('item 0 is not a dense id');
    await expect(fusedItemEmbeddings('ccf', session, [10])).rejects.toThrow('item 10 is not a dense id');
  });
});

describe.skipIf(adapters.length === 0)('the scores of the first stage', { timeout: 240_000 }, () => {
  it.each([
    ['ccf', []],
    ['collm', ['method=collm']],
  ])('of %s are those of a run that ends there', async (name, set) => {
    // The second stage must find something better, or the last state is that of the first.
    const result = await train(`both-${name}`, ...set, 'training.stage2.learningRate=0.05', 'training.stage2.epochs=4');
    const { best } = result.details as { best: { stage: string } };
    const method = name === 'ccf' ? ['training.strategy=stage1-only'] : ['method=tallrec'];
    await train(`first-${name}`, ...method);
    const first = await readPredictions(join(cwd, `first-${name}`, 'predictions/test.csv'));
    if (best.stage === 'stage1') {
      await expect(firstStageScores(`both-${name}`, session, 'test', [0])).rejects.toThrow('did not move');
      return;
    }
    const rows = [...first.label.keys()].reverse();
    const { logit, score } = await firstStageScores(`both-${name}`, session, 'test', rows);
    for (const [i, at] of rows.entries()) {
      expect(logit[i]).toBeCloseTo(first.logit[at]!, 4);
      expect(score[i]).toBeCloseTo(first.score[at]!, 5);
    }
    const last = await readPredictions(join(cwd, `both-${name}`, 'predictions/test.csv'));
    expect(Math.max(...rows.map((at, i) => Math.abs(last.logit[at]! - logit[i]!)))).toBeGreaterThan(1e-3);
  });

  it('are refused where the run does not hold them', async () => {
    await train('end', 'training.strategy=end-to-end');
    await expect(firstStageScores('mf', session, 'test', [0])).rejects.toThrow('was not trained in stages');
    await expect(firstStageScores('end', session, 'test', [0])).rejects.toThrow('has no second stage');
  });
});
