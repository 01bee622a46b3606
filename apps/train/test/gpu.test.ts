/** The whole way on a GPU, in small: doctor, MF, LightGCN, SASRec, CCF-LLM and TALLRec trained, interrupted, resumed; generate and logits. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readMetrics } from '@crossgate/experiment';
import { folderWith, inventedMl1m, listing, writeTinyModel } from '@crossgate/testing/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './cli';

const models = process.env.CROSSGATE_MODELS;
const hasStories = models !== undefined && existsSync(join(models, 'stories260K'));

const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': `method: mf
data: { path: ml-1m }
cf: { cfDim: 6, learningRate: 0.02, batchSize: 16, epochs: 6, warmupEpochs: 2, patience: 3 }
training: { checkpointEvery: 1 }
`,
  'lightgcn.yaml': `extends: mf.yaml
method: lightgcn
cf: { model: lightgcn, initStd: 0.1, lightgcn: { layers: 1 }, loss: bpr }
`,
  'sasrec.yaml': `extends: mf.yaml
method: sasrec
cf: { model: sasrec, initStd: 0.1, sasrec: { historyLength: 5, blocks: 1, heads: 2, norm: post } }
`,
  'asvd.yaml': `extends: mf.yaml
method: asvd
cf: { model: asvd }
`,
  'asvd-p.yaml': `extends: mf.yaml
method: asvd
cf: { model: asvd, asvd: { information: P, historyLength: 5, levelPrior: 3 } }
`,
  'ccf.yaml': `extends: mf.yaml
method: ccf
llm: { path: model }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2, init: matchTokenNorm }
gate: { hidden: 8 }
lora: { rank: 2 }
training:
  checkpointEvery: 1
  stage1: &s { rows: 20, batchSize: 4, learningRate: 1e-2, evaluateEvery: 2, warmupSteps: 1, schedule: cosine, clipNorm: 1 }
  stage2: *s
evaluation: { validRows: 10, batchTokens: 2000 }
`,
  'tallrec.yaml': `extends: ccf.yaml
method: tallrec
loss: { name: yes-logit-bce }
training: { strategy: stage1-only, stage1: { rows: 8 } }
`,
};

describe('on a GPU', () => {
  it('doctor shows in one document what there is when nothing fits, and how to ask', async () => {
    const { code, stdout, stderr } = await runCli(['doctor', '--json', '--adapter', '99'], { cwd: process.cwd() });
    expect(code).toBe(3);
    const { adapters, chosen, reason } = JSON.parse(stdout);
    expect(adapters.length).toBeGreaterThan(0);
    expect(chosen).toBeNull();
    expect(reason).toMatch(/there is no adapter 99, .* \(found: 0 /);
    expect(stderr).toBe(`error: ${reason}\n`);
  });

  it('doctor says what there is and what is chosen', async () => {
    const { code, stdout } = await runCli(['doctor', '--json'], { cwd: process.cwd() });
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.adapters.map(({ name }: { name: string }) => name)).toContain(report.chosen);
    for (const adapter of report.adapters) {
      expect(adapter).toMatchObject({
        name: expect.any(String),
        vendor: expect.any(String),
        driver: expect.any(String),
      });
      expect(['hardware', 'software']).toContain(adapter.type);
      expect(adapter.subgroupSize).toHaveLength(2);
      for (const shape of adapter.matrix) {
        expect(Object.keys(shape).sort()).toEqual(['component', 'k', 'm', 'n', 'result']);
      }
    }
  });

  it('exits with 3 when no adapter has the wanted name, and leaves no run', async () => {
    const cwd = await folderWith(files);
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli(['train', 'mf.yaml', '--adapter', 'no such GPU'], { cwd });
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^error: no usable GPU.*no such GPU/);
    expect(await listing(cwd)).toEqual(before);
  });

  /** Trains, stopping after `lines` lines of the log, as Ctrl-C would. */
  async function trainUntil(cwd: string, config: string, run: string, lines: number, more: string[] = []) {
    const abort = new AbortController();
    const log = join(cwd, run, 'metrics.jsonl');
    const watch = setInterval(() => {
      if (existsSync(log) && readMetrics(log).length >= lines) abort.abort();
    }, 1);
    try {
      return await runCli(['train', config, '--run', run, '--json', ...more], { cwd, signal: abort.signal });
    } finally {
      clearInterval(watch);
    }
  }

  const withoutTimes = (path: string) => readMetrics(path).map(({ time: _, seconds: __, ...record }) => record);

  it.each([
    ['mf', [2]],
    ['lightgcn', [2]],
    ['sasrec', [2]],
    ['asvd-p', [2]],
    ['ccf', [3, 12]],
  ])('%s reaches the same numbers when it is interrupted and resumed', async (name, stops) => {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    const whole = await runCli(['train', `${name}.yaml`, '--run', 'whole', '--json'], { cwd });
    expect(whole.code, whole.stderr).toBe(0);
    for (const [index, lines] of stops.entries()) {
      const part = await trainUntil(cwd, `${name}.yaml`, 'parts', lines, index === 0 ? [] : ['--resume']);
      expect(part.code, part.stderr).toBe(130);
      expect(part.stderr).toMatch(/^interrupted; with --resume /m);
      expect(existsSync(join(cwd, 'parts', 'result.json'))).toBe(false);
    }
    const rest = await runCli(['train', `${name}.yaml`, '--run', 'parts', '--resume', '--json'], { cwd });
    expect(rest.code, rest.stderr).toBe(0);
    const [expected, actual] = [JSON.parse(whole.stdout), JSON.parse(rest.stdout)];
    expect(actual.metrics).toEqual(expected.metrics);
    expect(actual.details.best).toEqual(expected.details.best);
    for (const split of ['valid', 'test']) {
      const csv = (run: string) => readFile(join(cwd, run, 'predictions', `${split}.csv`), 'utf8');
      expect(await csv('parts')).toBe(await csv('whole'));
    }
    expect(withoutTimes(join(cwd, 'parts/metrics.jsonl'))).toEqual(withoutTimes(join(cwd, 'whole/metrics.jsonl')));
  });

  it('ccf takes the vectors of a finished MF run, and leaves an adapter and its fusion tensors', async () => {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    expect((await runCli(['train', 'mf.yaml', '--run', 'mf'], { cwd })).code).toBe(0);
    const outcome = await runCli(['train', 'ccf.yaml', '--set', 'cf.run=mf', '--run', 'ccf', '--json'], { cwd });
    expect(outcome.code, outcome.stderr).toBe(0);
    const { details, information } = JSON.parse(outcome.stdout);
    expect(information).toBe('H');
    expect(details.cf).toMatchObject({ model: 'mf', run: 'mf', cfDim: 6 });
    expect(details.stages.map(({ trains }: { trains: string[] }) => trains)).toEqual([['lora'], ['fusion', 'cf']]);
    expect(details.memory.used.total).toBeGreaterThan(0);
    // Tiny models waste more of the size classes than the plan of a real one; its own test is in fusion.
    expect(details.memory.predicted.weights).toBe(details.memory.used.persistent.weights);
    expect(withoutTimes(join(cwd, 'ccf/metrics.jsonl')).some(({ phase }) => phase === 'cf')).toBe(false);
    const left = await listing(join(cwd, 'ccf'));
    for (const name of ['adapter/adapter_config.json', 'adapter/adapter_model.safetensors', 'fusion.safetensors']) {
      expect(left).toContain(join(...name.split('/')));
    }
    const stage2 = ['train', 'ccf.yaml', '--set', 'cf.run=mf', '--set', 'cf.cfDim=5', '--run', 'wrong'];
    const wrong = await runCli(stage2, { cwd });
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/cf\.run: mf has vectors of width 6, but cf\.cfDim is 5/);
    expect(existsSync(join(cwd, 'wrong'))).toBe(false);
    await rm(join(cwd, 'mf/cf.safetensors'));
    const gone = await runCli(['train', 'ccf.yaml', '--set', 'cf.run=mf', '--run', 'gone'], { cwd });
    expect(gone.stderr).toMatch(/cf\.run: mf has no cf\.safetensors/);
  });

  it('ccf runs on all earlier ratings, as a class of its own, with vectors of such a run alone', async () => {
    const early = '1::9::5::960000000\n99::2::5::960000001\n99::3::1::960000002\n';
    const ratings = `${inventedMl1m(14, 9)['ml-1m/ratings.dat']}${early}`;
    const cwd = await folderWith({ ...files, 'ml-1m/ratings.dat': ratings });
    await writeTinyModel(join(cwd, 'model'));
    const sets = ['cf.epochs=1', 'training.stage1.rows=4', 'training.stage2.rows=4', 'evaluation.splits=[test]'];
    const train = (config: string, run: string, ...more: string[]) => {
      const options = [...sets, ...more].flatMap((set) => ['--set', set]);
      return runCli(['train', config, ...options, '--run', run, '--json'], { cwd });
    };
    const mf = await train('mf.yaml', 'mf', 'data.window=all');
    expect(JSON.parse(mf.stdout), mf.stderr).toMatchObject({ information: 'T+' });
    const ccf = await train('ccf.yaml', 'ccf', 'data.window=all', 'cf.run=mf');
    expect(JSON.parse(ccf.stdout), ccf.stderr).toMatchObject({ information: 'H+', details: { cf: { run: 'mf' } } });
    const paper = await train('ccf.yaml', 'paper', 'cf.run=mf');
    expect(paper).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('mf was trained on other data than this run'),
    });
  });

  it.each(['lightgcn', 'sasrec', 'asvd'])('ccf takes its vectors from %s', async (model) => {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    const sets = ['cf.sasrec.historyLength=5', 'cf.epochs=1', 'training.stage1.rows=4', 'training.stage2.rows=4'];
    const short = [...sets, 'evaluation.validRows=4', 'evaluation.testRows=4', `cf.model=${model}`];
    const options = short.flatMap((set) => ['--set', set]);
    const fused = await runCli(['train', 'ccf.yaml', ...options, '--run', 'fused', '--json'], { cwd });
    expect(fused.code, fused.stderr).toBe(0);
    expect(JSON.parse(fused.stdout).details.cf).toMatchObject({ model, cfDim: 6 });
    const wrong = await runCli(['train', 'mf.yaml', '--set', 'cf.run=fused', '--run', 'wrong'], { cwd });
    expect(wrong.stderr).toContain(`is a ${model} model, but cf.model is mf; set one to the other`);
    const mixed = await runCli(['train', `${model}.yaml`, '--set', 'cf.model=mf', '--run', 'mixed'], { cwd });
    expect(mixed).toMatchObject({ code: 2, stdout: '' });
    expect(mixed.stderr).toContain(`cf.model: is mf, but the method is ${model}; set cf.model to ${model}`);
  });

  it('tallrec trains LoRA on text alone', async () => {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    const outcome = await runCli(['train', 'tallrec.yaml', '--run', 'r', '--json'], { cwd });
    expect(outcome.code, outcome.stderr).toBe(0);
    const { details, metrics } = JSON.parse(outcome.stdout);
    expect(details).toMatchObject({ cf: null, norms: null, stages: [{ trains: ['lora'], rows: 8 }] });
    expect(metrics.test.auc).not.toBeNull();
    const evaluated = await runCli(['evaluate', 'r', '--json'], { cwd });
    expect(JSON.parse(evaluated.stdout).metrics).toEqual(metrics);
    const frugal = ['train', 'tallrec.yaml', '--set', 'training.checkpointing=true', '--run', 'frugal', '--json'];
    expect(JSON.parse((await runCli(frugal, { cwd })).stdout).metrics).toEqual(metrics);
    const halves = ['train', 'tallrec.yaml', '--set', 'training.activations=f16', '--run', 'halves', '--json'];
    const halved = JSON.parse((await runCli(halves, { cwd })).stdout);
    expect(halved.details.skippedSteps).toBe(0);
    expect(Math.abs(halved.metrics.test.logLoss - metrics.test.logLoss)).toBeLessThan(1e-2);
    const log = readMetrics(join(cwd, 'halves/metrics.jsonl')).filter(({ loss }) => loss !== undefined);
    expect(log.length).toBeGreaterThan(0);
    for (const line of log) expect(line).toMatchObject({ lossScale: 2 ** 16, skippedSteps: 0 });
    const { state } = JSON.parse(await readFile(join(cwd, 'halves/checkpoints/last.json'), 'utf8'));
    expect(state.lossScale).toMatchObject({ updates: state.step, skippedSteps: 0 });
  });
});

describe.skipIf(!hasStories)('stories260K on a GPU (CROSSGATE_MODELS)', () => {
  const env = { CROSSGATE_MODELS: models ?? '' };
  let cwd = '';
  beforeAll(async () => {
    cwd = process.cwd();
  });

  it.each(['stories260K/hf', 'stories260K/stories260K.gguf'])('%s tells its story', async (name) => {
    const run = ['generate', '--model', name, '--prompt', '', '--max-new-tokens', '31', '--json'];
    const { code, stdout, stderr } = await runCli(run, { cwd, env });
    expect(code, stderr).toBe(0);
    const { text, tokens } = JSON.parse(stdout);
    expect(text).toBe('Once upon a time, there was a little girl named Lily. She loved to play outside in the park.');
    expect(tokens).toHaveLength(31);
    const rest = ['generate', '--model', name, '--prompt', 'Once upon a time', '--max-new-tokens', '5', '--json'];
    expect(JSON.parse((await runCli(rest, { cwd, env })).stdout).text).toBe(', there was a little');
  });

  it('gives one logit per token, the likeliest being the next word', async () => {
    const { stdout } = await runCli(['logits', '--model', 'stories260K', '--tokens', '1,403,407', '--json'], {
      cwd,
      env,
    });
    const { logits } = JSON.parse(stdout);
    expect(logits).toHaveLength(512);
    expect(logits.indexOf(Math.max(...logits))).toBe(261);
  });
});
