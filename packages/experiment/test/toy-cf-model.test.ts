/** A CF model that is declared in this file alone trains, is saved, resumed, fused and recommended from. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  addFlags,
  type CfDefinition,
  type CfModel,
  cfDeclarations,
  itemFlags,
  noMemory,
  PairScores,
  positiveHistories,
  readFlags,
  registerCfModel,
  requireTensor,
  seenInTrain,
  type UserBatch,
  unseenMask,
  userFlags,
  vectorScorer,
} from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import {
  add,
  embedding,
  type HostState,
  type Indices,
  indexCount,
  ParameterGroup,
  RandomStream,
  readGroup,
  reshape,
  rowDot,
} from '@crossgate/tensor';
import { folderWith, inventedMl1m, writeTinyModel } from '@crossgate/testing/node';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  configJsonSchema,
  loadConfig,
  loadConfigWithNotes,
  openRun,
  openSession,
  readMetrics,
  runExperiment,
} from '../src';

interface ToyOptions {
  /** What all biases of items begin with. */
  readonly startBias?: number;
}

const toyShapes = (users: number, items: number, cfDim: number) =>
  new Map<string, readonly number[]>([
    ['toy.user', [users + 1, cfDim]],
    ['toy.item', [items + 1, cfDim]],
    ['toy.bias', [items + 1, 1]],
  ]);

/** Vectors of users and items, and a bias per item. */
class ToyModel extends PairScores implements CfModel {
  readonly name = 'toy-bias';
  readonly historyLength = 0;
  readonly group: ParameterGroup;

  constructor(
    device: Device,
    readonly cfDim: number,
    readonly userSeen: Uint8Array,
    readonly itemSeen: Uint8Array,
    values: (name: string, shape: readonly number[]) => Float32Array,
  ) {
    super(device);
    const shapes = [...toyShapes(userSeen.length - 1, itemSeen.length - 1, cfDim)];
    this.group = new ParameterGroup(
      device,
      'cf',
      shapes.map(([name, shape]) => ({ name, shape, values: values(name, shape) })),
    );
  }

  userVectors(users: Indices) {
    return embedding(this.group.get('toy.user'), users);
  }

  itemVectors(items: Indices) {
    return embedding(this.group.get('toy.item'), items);
  }

  scorer({ users }: UserBatch) {
    const vectors = this.userVectors(users);
    const biases = this.group.get('toy.bias');
    return vectorScorer(
      (items) => {
        const bias = reshape(embedding(biases, items), [indexCount(items)]);
        return add(rowDot(vectors, this.itemVectors(items)), bias);
      },
      () => {
        const mask = unseenMask(this.device, this.itemSeen);
        return { users: vectors, items: this.group.get('toy.item'), bias: add(mask, reshape(biases, mask.shape)) };
      },
    );
  }

  async state(): Promise<HostState> {
    return addFlags(await readGroup(this.group), this);
  }

  release() {
    this.group.release();
  }
}

const toy = {
  name: 'toy-bias',
  drawn: true,
  options: {
    startBias: { type: 'number', above: -1, max: 9, default: 0, meaning: 'What all biases of items begin with' },
  },
  information: () => 'T',
  historyLength: () => 0,
  shapes: ({ users, items, cfDim }) => toyShapes(users, items, cfDim),
  memory: () => noMemory,
  check({ startBias = 0 }, cfDim) {
    if (startBias > cfDim) throw new InputError(`cf.toy-bias.startBias: ${startBias} is above cf.cfDim ${cfDim}`);
  },
  histories: positiveHistories,
  create(device, dataset, { cfDim, initStd, seed }, { startBias = 0 }) {
    const { userSeen, itemSeen } = seenInTrain(dataset);
    return new ToyModel(device, cfDim, userSeen, itemSeen, (name, [rows = 0, columns = 0]) => {
      const seen = name === 'toy.user' ? userSeen : itemSeen;
      const values =
        name === 'toy.bias'
          ? new Float32Array(rows).fill(startBias)
          : new RandomStream(seed, name).normals(rows * columns, initStd);
      return values.map((value, at) => value * seen[Math.floor(at / columns)]!);
    });
  },
  stateMark: 'toy.bias',
  stateVectors: 'toy.item',
  fromState(device, state, source) {
    const read = (name: string) => requireTensor(state, name, source, 'toy');
    const [users, items] = [userFlags, itemFlags].map((name) => readFlags(state, name, source, 'toy'));
    return new ToyModel(device, read('toy.item').shape[1]!, users!, items!, (name) => read(name).data);
  },
  storedOptions: () => ({}),
} as const satisfies CfDefinition<ToyOptions>;

const files = {
  ...inventedMl1m(14, 9),
  'toy.yaml': `method: toy-bias
data: { path: ml-1m }
cf:
  model: toy-bias
  toy-bias: { startBias: 0.25 }
  cfDim: 6
  initStd: 0.1
  learningRate: 0.02
  batchSize: 16
  epochs: 6
  warmupEpochs: 6
training: { checkpointEvery: 1 }
`,
  'ccf.yaml': `extends: toy.yaml
method: ccf
llm: { path: model }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
lora: { rank: 2 }
training: { stage1: &s { rows: 4, batchSize: 4 }, stage2: *s }
evaluation: { validRows: 4, testRows: 4, batchTokens: 2000 }
`,
};

describe('a CF model declared in one file', () => {
  beforeAll(() => registerCfModel(toy));

  it('trains, is saved, resumed to the same bits, fused and recommended from', async () => {
    const cwd = await folderWith(files);
    await writeTinyModel(join(cwd, 'model'));
    const config = await loadConfig('toy.yaml', { cwd });
    await using session = openSession({ cwd });
    const whole = await runExperiment(config, session, { run: 'whole' });
    expect(whole).toMatchObject({ method: 'toy-bias', information: 'T', details: { cf: { model: 'toy-bias' } } });
    const losses = readMetrics(join(cwd, 'whole/metrics.jsonl')).map(({ loss }) => Number(loss));
    expect(losses).toHaveLength(6);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);

    const abort = new AbortController();
    const log = join(cwd, 'parts/metrics.jsonl');
    const watch = setInterval(() => existsSync(log) && readMetrics(log).length >= 2 && abort.abort(), 1);
    {
      await using broken = openSession({ cwd, signal: abort.signal });
      await expect(runExperiment(config, broken, { run: 'parts' })).rejects.toThrow(/interrupted/);
    }
    clearInterval(watch);
    const resumed = await runExperiment(config, session, { run: 'parts', resume: true });
    expect(resumed.metrics).toEqual(whole.metrics);
    const saved = (run: string) => readFile(join(cwd, run, 'cf.safetensors'));
    expect((await saved('parts')).equals(await saved('whole'))).toBe(true);

    const fused = await loadConfig('ccf.yaml', { cwd, set: ['cf.run=whole'] });
    const { information, details } = await runExperiment(fused, session, { run: 'fused' });
    expect([information, details]).toMatchObject(['H', { cf: { model: 'toy-bias', run: 'whole' } }]);

    for (const run of ['parts', 'fused']) {
      const { scorer } = await openRun(session, run, []);
      const { items, scores } = await scorer.best(1, { count: 2, candidates: Int32Array.of(1, 2, 3) });
      expect(items).toHaveLength(2);
      expect(scores.logit[0]!).toBeGreaterThanOrEqual(scores.logit[1]!);
      await scorer.close();
    }
  });

  it('has its options read as it declares them, checked by its own words, and its name among those of a refusal', async () => {
    const cwd = await folderWith(files);
    await using session = openSession({ cwd });
    const names = cfDeclarations.map(({ name }) => name).join(', ');
    const refusals = [
      ['cf.toy-bias.startBias=high', 'cf.toy-bias.startBias: must be a number, got "high"'],
      ['cf.toy-bias.startBias=-1', 'cf.toy-bias.startBias: Too small: expected number to be >-1, got -1'],
      ['cf.toy-bias.startBias=10', 'cf.toy-bias.startBias: must be at most 9, got 10'],
      ['cf.toy-bias.startBais=1', 'unknown key cf.toy-bias.startBais (did you mean startBias?)'],
      ['cf.model=toy-bais', `is not one of ${names}, toy-bias (did you mean toy-bias?)`],
    ] as const;
    for (const [set, refusal] of refusals) {
      await expect(loadConfig('toy.yaml', { cwd, set: [set] }), set).rejects.toThrow(refusal);
    }
    const together = await loadConfig('toy.yaml', { cwd, set: ['cf.toy-bias.startBias=7'] });
    await expect(runExperiment(together, session, {})).rejects.toThrow('startBias: 7 is above cf.cfDim 6');
    const bare = await loadConfig('toy.yaml', { cwd, set: ['cf.toy-bias={}'] });
    expect(bare.cf).toMatchObject({ 'toy-bias': { startBias: 0 } });
    expect(configJsonSchema()).toMatchObject({
      properties: { cf: { properties: { 'toy-bias': { properties: { startBias: { default: 0, maximum: 9 } } } } } },
    });
  });

  it('says itself whether its vectors are drawn', async () => {
    const cwd = await folderWith(files);
    registerCfModel({ ...toy, name: 'toy-fixed', drawn: false });
    const set = ['method=toy-fixed', 'cf.model=toy-fixed', 'cf.toy-fixed.startBias=1'];
    const keys = async (...more: string[]) =>
      (await loadConfigWithNotes('toy.yaml', { cwd, set: more })).unread.map(({ key }) => key);
    expect(await keys()).toEqual([]);
    expect(await keys(...set)).toEqual(['cf.toy-bias.startBias', 'cf.initStd']);
  });

  it('refuses the old name of asymmetric SVD of class P with the new one', async () => {
    const cwd = await folderWith(files);
    for (const key of ['method', 'cf.model']) {
      await expect(loadConfig('toy.yaml', { cwd, set: [`${key}=asvd-p`] })).rejects.toThrow(
        `--set ${key}: ${key}: asvd-p is now asvd with cf.asvd.information: P`,
      );
    }
  });

  // The last test: what is registered stays.
  it('refuses a name that is a method or a key of cf', async () => {
    const cwd = await folderWith(files);
    registerCfModel({ ...toy, name: 'epochs' });
    await expect(loadConfig('toy.yaml', { cwd })).rejects.toThrow(
      'CF model epochs: a method or a key of cf has this name',
    );
  });
});
