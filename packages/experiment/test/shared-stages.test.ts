/** Stages that several trainings begin with are trained once: what a run takes from another is what it would have trained. */
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { loadConfig, openSession, paperExperiments, paperProfiles, readMetrics, runExperiment } from '../src';
import { declarationOf } from '../src/config/method-defaults';
import { paperCell } from '../src/paper/plan';
import { stageKeys, stagesInCommon } from '../src/runners/stage-keys';

const configs = fileURLToPath(new URL('../../../configs', import.meta.url));
const adapters = await listAdapters();

describe.each(paperProfiles)('profile $name', (profile) => {
  const keysOf = async (key: string, set: string[] = [], seed = 1) => {
    const { config, experiment } = await paperCell(
      { profile, configs, cwd: configs, set },
      ...([key, profile.datasets[0]!, seed] as const),
    );
    return stageKeys(config, { data: 'd', model: 'm', vectors: experiment.backends });
  };

  it('these experiments begin alike, and no others', async () => {
    const trained = paperExperiments.filter(({ method }) => declarationOf(method) !== undefined);
    const before: [string, Awaited<ReturnType<typeof keysOf>>][] = [];
    const shared: [string, string, number][] = [];
    for (const { key } of trained) {
      const keys = await keysOf(key);
      for (const [other, theirs] of before) {
        const count = stagesInCommon(keys, theirs);
        if (count > 0) shared.push([key, other, count]);
      }
      before.push([key, keys]);
    }
    expect(shared).toEqual([
      ['collm-mf', 'tallrec', 1],
      ['collm-lightgcn', 'tallrec', 1],
      ['collm-lightgcn', 'collm-mf', 1],
      ['collm-sasrec', 'tallrec', 1],
      ['collm-sasrec', 'collm-mf', 1],
      ['collm-sasrec', 'collm-lightgcn', 1],
      ['collm-mf-eq5', 'tallrec-eq5', 1],
      ['collm-lightgcn-eq5', 'tallrec-eq5', 1],
      ['collm-lightgcn-eq5', 'collm-mf-eq5', 1],
      ['collm-sasrec-eq5', 'tallrec-eq5', 1],
      ['collm-sasrec-eq5', 'collm-mf-eq5', 1],
      ['collm-sasrec-eq5', 'collm-lightgcn-eq5', 1],
      ['ccf-lightgcn-stage-1', 'ccf-lightgcn', 1],
      ['ccf-lightgcn-permuted-at-evaluation', 'ccf-lightgcn', 2],
      ['ccf-lightgcn-permuted-at-evaluation', 'ccf-lightgcn-stage-1', 1],
    ]);
  });

  it.each([
    ['seed', 0, ['seed=7']],
    ['lora.rank', 0, ['lora.rank=3']],
    ['loss.k', 0, ['loss.k=3']],
    ['prompt.historyLength', 0, ['prompt.historyLength=3']],
    ['evaluation.validRows', 0, ['evaluation.validRows=11']],
    ['evaluation.batchTokens', 0, ['evaluation.batchTokens=999']],
    ['training.stage1.learningRate', 0, ['training.stage1.learningRate=0.5']],
    ['gate.hidden', 0, ['gate.hidden=3']],
    ['control', 0, ['control=permuted-users']],
    ['training.stage2.learningRate', 1, ['training.stage2.learningRate=0.5']],
    ['training.stage2.cfDropout', 1, ['training.stage2.cfDropout=0.5']],
    ['evaluation.testRows', 2, ['evaluation.testRows=11']],
    ['training.checkpointEvery', 2, ['training.checkpointEvery=11']],
  ])('another %s leaves %d stages of CCF-LLM', async (_, count, set) => {
    const { config } = await paperCell({ profile, configs, cwd: configs, set }, 'ccf-mf', profile.datasets[0]!, 1);
    const seed = set[0] === 'seed=7' ? { seed: 7 } : {};
    const other = stageKeys({ ...config, ...seed }, { data: 'd', model: 'm', vectors: ['mf'] });
    expect(stagesInCommon(other, await keysOf('ccf-mf'))).toBe(count);
  });

  it('depends on the data, the model, and the vectors that a stage reads', async () => {
    const { config } = await paperCell({ profile, configs, cwd: configs }, 'collm-mf', profile.datasets[0]!, 1);
    const own = { data: 'd', model: 'm', vectors: ['v'] };
    const with_ = (changes: object) =>
      stagesInCommon(stageKeys(config, { ...own, ...changes }), stageKeys(config, own));
    expect([{}, { data: 'e' }, { model: 'n' }, { vectors: ['w'] }].map(with_)).toEqual([2, 0, 0, 1]);
    const halves = { ...config, training: { ...config.training, activations: 'f16' as const } };
    expect(stageKeys(halves, own)).toEqual([]);
  });
});

it('a stage whose parameters a later one trained again is not in a finished run', () => {
  const [first, again, other] = [
    { key: '1', trains: ['lora'] },
    { key: '2', trains: ['lora', 'cf'] },
    { key: '3', trains: ['fusion'] },
  ] as const;
  expect(stagesInCommon([first, other], [first, again])).toBe(0);
  expect(stagesInCommon([first, again], [first, again])).toBe(2);
  expect(stagesInCommon([first], [first, other])).toBe(1);
});

const stages = { rows: 12, batchSize: 4, evaluateEvery: 2, learningRate: 0.01 };
const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': 'method: mf\ndata: { path: ml-1m }\ncf: { cfDim: 8, epochs: 2, batchSize: 16 }\n',
  'llm.yaml': `extends: mf.yaml
llm: { path: model }
lora: { rank: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
prompt: { historyLength: 2 }
training: ${JSON.stringify({ checkpointEvery: 1, stage1: stages, stage2: stages })}
`,
  'ccf.yaml': 'extends: llm.yaml\nmethod: ccf\ncf: { run: mf }\n',
  'one.yaml': 'extends: ccf.yaml\ntraining: { strategy: stage1-only }\n',
  'permuted.yaml': 'extends: ccf.yaml\ncontrol: permuted-at-evaluation\n',
  'collm.yaml': 'extends: llm.yaml\nmethod: collm\ncf: { run: mf }\n',
  'tallrec.yaml': 'extends: llm.yaml\nmethod: tallrec\n',
};

describe.skipIf(adapters.length === 0)('a training that begins as another one did', { timeout: 240_000 }, () => {
  async function world() {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    const said: string[] = [];
    const say = (...words: unknown[]) => void said.push(String(words.at(-1)));
    const log = { debug() {}, info: say, warn: say, error: say };
    const session = openSession({ cwd, log });
    const train = async (name: string, run: string, stagesFrom: string[] = [], by = session) =>
      runExperiment(await loadConfig(`${name}.yaml`, { cwd }), by, { run, resume: 'if-begun', stagesFrom });
    await train('mf', 'mf');
    /** What a run leaves: its scores, its parameters, and its log but for the time. */
    const content = async (run: string) => {
      const hash = async (...path: string[]) =>
        createHash('sha256')
          .update(await readFile(join(cwd, run, ...path)).catch(() => ''))
          .digest('hex');
      return {
        test: await hash('predictions', 'test.csv'),
        lora: await hash('adapter', 'adapter_model.safetensors'),
        fusion: await hash('fusion.safetensors'),
        log: readMetrics(join(cwd, run, 'metrics.jsonl')).map(({ time: _, ...record }) => record),
      };
    };
    return { cwd, said, log, session, train, content };
  }

  const facts = ({ metrics, details }: Awaited<ReturnType<typeof runExperiment>>) => ({ metrics, best: details.best });
  const origins = ({ details }: Awaited<ReturnType<typeof runExperiment>>) =>
    (details.stages as { readonly run?: string }[]).map(({ run }) => run ?? null);

  it('gives the bits of one that trains every stage itself', async () => {
    const { said, session, train, content } = await world();
    for (const [name, source, expected] of [
      ['one', 'ccf-alone', ['ccf-alone']],
      ['permuted', 'ccf-alone', ['ccf-alone', 'ccf-alone']],
      ['tallrec', 'collm-alone', ['collm-alone']],
      ['collm', 'tallrec-alone', ['tallrec-alone', null]],
      ['ccf', 'one-alone', ['one-alone', null]],
    ] as const) {
      await train(source.replace('-alone', ''), source);
      const alone = await train(name, `${name}-alone`);
      said.length = 0;
      const shared = await train(name, `${name}-shared`, ['nowhere', 'mf', source]);
      expect(said.filter((line) => line.includes(' as in '))).toEqual(
        expected.flatMap((run, index) => (run === null ? [] : [`stage${index + 1} as in ${run}`])),
      );
      expect(origins(alone)).toEqual(expected.map(() => null));
      expect(origins(shared)).toEqual(expected);
      expect(facts(shared)).toEqual(facts(alone));
      expect(await content(`${name}-shared`), name).toEqual(await content(`${name}-alone`));
    }
    await session.close();
  });

  it('goes on without the run that it began with, and takes nothing of another adapter or of what is damaged', async () => {
    const { cwd, said, log, session, train, content } = await world();
    await train('one', 'one');
    const alone = await train('ccf', 'alone');
    const stop = new AbortController();
    const task = (name: string) => ({ update: () => name === 'stage2' && stop.abort(), finish() {} });
    const stopped = openSession({ cwd, log, signal: stop.signal, progress: { start: task as never } });
    await expect(train('ccf', 'resumed', ['one'], stopped)).rejects.toMatchObject({ name: 'InterruptedError' });
    await stopped.close();
    // Gone since: what was taken is in the checkpoint.
    const config = await readFile(join(cwd, 'one', 'config.yaml'), 'utf8');
    await writeFile(join(cwd, 'one', 'config.yaml'), config.replace(/adapter: .*/, 'adapter: another'));
    const resumed = await train('ccf', 'resumed', []);
    expect(origins(resumed)).toEqual(['one', null]);
    expect(facts(resumed)).toEqual(facts(alone));
    expect(await content('resumed')).toEqual(await content('alone'));

    const untaken = async (run: string) => {
      said.length = 0;
      expect(origins(await train('ccf', run, ['one']))).toEqual([null, null]);
      expect(await content(run)).toEqual(await content('alone'));
      return said.filter((line) => line.includes('one'));
    };
    expect(await untaken('adapter')).toEqual([]);
    await writeFile(join(cwd, 'one', 'config.yaml'), config);
    await rm(join(cwd, 'one', 'adapter', 'adapter_model.safetensors'));
    expect(await untaken('damaged')).toEqual([
      expect.stringMatching(/^no stage is taken from one: .*adapter_model\.safetensors/),
    ]);
    await session.close();
  });
});
