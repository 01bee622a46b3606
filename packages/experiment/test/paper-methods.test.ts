/** Every method of the paper from config to scores: it trains on a tiny world, and a finished run scores as it did. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { readSafetensorsHeader } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExperimentResult, loadConfig, openRun, openSession, runExperiment, type Session } from '../src';

const adapters = await listAdapters();

const stages = { rows: 12, batchSize: 4 };
const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': 'method: mf\ndata: { path: ml-1m }\ncf: { cfDim: 8, epochs: 2, batchSize: 16 }\n',
  'lightgcn.yaml': 'extends: mf.yaml\nmethod: lightgcn\ncf: { model: lightgcn, cfDim: 6, lightgcn: { layers: 1 } }\n',
  'sasrec.yaml': 'extends: mf.yaml\nmethod: sasrec\ncf: { model: sasrec, sasrec: { historyLength: 5 } }\n',
  'asvd.yaml': 'extends: mf.yaml\nmethod: asvd\ncf: { model: asvd, asvd: { information: P } }\n',
  'llm.yaml': `data: { path: ml-1m }
llm: { path: model }
lora: { rank: 2 }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
training: ${JSON.stringify({ stage1: stages, stage2: stages })}
`,
};

let cwd: string;
let session: Session;
beforeAll(async () => {
  // Kept for all tests of this file.
  cwd = await mkdtemp(join(tmpdir(), 'crossgate-paper-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    await writeFile(join(cwd, name), content);
  }
  await writeTinyModel(join(cwd, 'model'));
  session = openSession({ cwd });
  for (const name of ['mf', 'lightgcn', 'sasrec', 'asvd']) {
    await runExperiment(await loadConfig(`${name}.yaml`, { cwd }), session, { run: name });
  }
});
afterAll(async () => {
  await session.close();
  await rm(cwd, { recursive: true, force: true });
});

async function train(run: string, ...set: string[]): Promise<ExperimentResult> {
  return runExperiment(await loadConfig('llm.yaml', { cwd, set }), session, { run });
}

/** Rows of predictions/test.csv: user, item, score. */
async function predictions(run: string) {
  const text = await readFile(join(cwd, run, 'predictions', 'test.csv'), 'utf8');
  const [head, ...lines] = text.trim().split('\n');
  const columns = head!.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    const at = (name: string) => cells[columns.indexOf(name)]!;
    return { user: at('user'), item: at('item'), score: Number(at('score')) };
  });
}

/** Scores the test rows of a finished run once more, from its files alone. */
async function scoredAgain(run: string): Promise<number[]> {
  const { scorer, dataset } = await openRun(session, run, []);
  try {
    const { user, item, rows } = dataset.splits.test;
    const place = Array.from({ length: rows }, (_, row) => ({ split: 'test' as const, row }));
    return [...(await scorer.scorePairs({ user: Int32Array.from(user), item: Int32Array.from(item), place })).score];
  } finally {
    await scorer.close();
  }
}

const cases: readonly [string, readonly string[]][] = [
  ['collm', ['method=collm', 'cf.run=mf', 'cf.cfDim=8']],
  ['softprompt', ['method=softprompt']],
  ['instruct', ['method=instruct']],
  ['neighbors', ['method=instruct', 'prompt.neighbors=true', 'prompt.neighborCount=3', 'cf.run=mf', 'cf.cfDim=8']],
  ['zero-shot', ['method=zero-shot', 'prompt.neighbors=true', 'prompt.excludeTarget=true', 'cf.run=mf', 'cf.cfDim=8']],
  ['two', ['method=ccf', 'cf.run=[lightgcn, sasrec]']],
  ['one-number', ['method=ccf', 'cf.run=mf', 'cf.cfDim=8', 'gate.width=token']],
  ['permuted', ['method=ccf', 'cf.run=mf', 'cf.cfDim=8', 'control=permuted-items']],
  ['evaluated', ['method=ccf', 'cf.run=mf', 'cf.cfDim=8', 'control=permuted-at-evaluation']],
  ['random', ['method=ccf', 'cf.run=mf', 'cf.cfDim=8', 'control=random-vectors']],
];

describe.skipIf(adapters.length === 0)('a run of', { timeout: 240_000 }, () => {
  it.each(cases)('%s trains, and scores the same once more from its files', async (name, set) => {
    const result = await train(`run-${name}`, ...set);
    expect(result.metrics.test!.rows).toBeGreaterThan(5);
    const rows = await predictions(`run-${name}`);
    const again = await scoredAgain(`run-${name}`);
    expect(again).toHaveLength(rows.length);
    for (const [i, { score }] of rows.entries()) expect(again[i]).toBeCloseTo(score, 5);
    // Nothing but the weights stays on the device.
    const { weights: _, ...left } = (await session.device()).report().persistent;
    expect(left).toEqual({});
  });
});

describe.skipIf(adapters.length === 0)('what a run leaves', { timeout: 240_000 }, () => {
  const tensorsOf = async (run: string, file: string) => {
    const source = await openFile(join(cwd, run, file));
    return readSafetensorsHeader(source).finally(() => source.close());
  };

  it('of two backends: both files with the keys they were made with, and both networks', async () => {
    const { tensors } = await tensorsOf('run-two', 'fusion.safetensors');
    for (const name of ['alg.output.weight', 'gate.cf.output.weight', 'item_seen']) {
      expect([...tensors.keys()]).toContain(name);
      expect([...tensors.keys()]).toContain(`backend2.${name}`);
    }
    expect([tensors.get('alg.hidden.weight')!.shape[1], tensors.get('backend2.alg.hidden.weight')!.shape[1]]).toEqual([
      6, 8,
    ]);
    const second = await tensorsOf('run-two', 'cf-2.safetensors');
    expect(JSON.parse(second.metadata.section!)).toMatchObject({ model: 'sasrec', sasrec: { historyLength: 5 } });
    const result = JSON.parse(await readFile(join(cwd, 'run-two', 'result.json'), 'utf8'));
    expect(result.details.cf.map(({ model, run }: Record<string, unknown>) => [model, run])).toEqual([
      ['lightgcn', 'lightgcn'],
      ['sasrec', 'sasrec'],
    ]);
    expect(result.details.norms).toHaveLength(2);
    expect(result.information).toBe('H');
  });

  it('of methods without a gate: none', async () => {
    const { tensors } = await tensorsOf('run-collm', 'fusion.safetensors');
    expect([...tensors.keys()].filter((name) => name.startsWith('gate.'))).toEqual([]);
    expect((await tensorsOf('run-softprompt', 'fusion.safetensors')).tensors.get('learned.vectors')!.shape[0]).toBe(2);
  });

  it('of a control: the trained vectors beside it, and its name in the result', async () => {
    const [plain, permuted] = await Promise.all(
      ['mf', 'run-permuted'].map((run) => readFile(join(cwd, run, 'cf.safetensors'))),
    );
    expect(permuted!.subarray(-64)).toEqual(plain!.subarray(-64));
    const result = JSON.parse(await readFile(join(cwd, 'run-permuted', 'result.json'), 'utf8'));
    expect(result.details.cf.control).toBe('permuted-items');
    // The same config without it gives other scores.
    await train('run-plain', 'method=ccf', 'cf.run=mf', 'cf.cfDim=8');
    expect(await predictions('run-plain')).not.toEqual(await predictions('run-permuted'));
    // Permuted at the evaluation alone, the model is trained as without: only its scores differ.
    const trained = async (run: string) => readFile(join(cwd, run, 'fusion.safetensors'));
    expect(await trained('run-evaluated')).toEqual(await trained('run-plain'));
    expect(await predictions('run-evaluated')).not.toEqual(await predictions('run-plain'));
  });

  it('of a method that is not trained: no checkpoint, and the class of what it reads', async () => {
    const result = JSON.parse(await readFile(join(cwd, 'run-zero-shot', 'result.json'), 'utf8'));
    expect(result.details.stages).toEqual([]);
    expect(result.details.best).toBeNull();
    expect(result.information).toBe('H');
  });
});

describe.skipIf(adapters.length === 0)('is refused', () => {
  it.each([
    [
      ['method=ccf', 'cf.run=[sasrec, asvd]'],
      /cf\.run: sasrec and asvd both make user vectors of histories; at most one/,
    ],
    [['method=ccf', 'cf.run=[mf, nowhere]'], /nowhere.*run not found/],
    [['method=ccf', 'cf.run=[mf]'], /cf\.run: must have 2 entries, got/],
    [
      [
        'method=instruct',
        'prompt.neighbors=true',
        'cf.run=sasrec',
        'cf.model=sasrec',
        'cf.sasrec.historyLength=5',
        'cf.cfDim=8',
      ],
      /cf\.model: sasrec makes user vectors of histories, so it has no one list/,
    ],
    [['method=mf', 'cf.run=[mf, lightgcn]'], /cf\.run: names 2 runs, but this method uses one/],
    [['method=tallrec', 'prompt.neighbors=true'], /prompt\.neighbors: the prompt of tallrec names no neighbors/],
    [['method=ccf', 'training.strategy=untrained'], /ccf cannot be trained untrained/],
  ])('%j', async (set, message) => {
    await expect(train('refused', ...set)).rejects.toThrow(message);
  });
});
