/** Several ranks that train together: the step of one rank with the whole batch, the same bits on all and each time. */
import { inProcess } from '@crossgate/collective';
import { buildCsv, type Dataset, memorySource } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { readGroup } from '@crossgate/tensor';
import { expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CfEpochReport, CfTrainer, type CfTrainerOptions, type CfTrainingState, findCfDefinition } from '../src';
import { clicks, simulate, tablesOf, toyModel } from './toy';

/** One device a rank, as in a job. */
let devices: Device[];
let dataset: Dataset;
beforeAll(async () => {
  devices = await Promise.all(Array.from({ length: 3 }, () => openDevice()));
  const lines = ['user,item,label,timestamp'];
  for (let user = 0; user < 20; user++) {
    for (let n = 0; n < 5 + (user % 6); n++) {
      lines.push(`u${user},i${(user * 5 + n * n) % 12},${Number((user + n) % 3 > 0)},${n}`);
    }
  }
  const split = { by: 'leave-one-out' } as const;
  dataset = await buildCsv(memorySource({ 'interactions.csv': lines.join('\n') }), { split });
});
afterAll(async () => {
  await Promise.all(devices.map((device) => device.destroy()));
});

const options: CfTrainerOptions = {
  ...{ learningRate: 0.02, weightDecay: 0.01, batchSize: 8, epochs: 2, patience: 9, warmupEpochs: 0 },
  ...{ criterion: 'last', seed: 3 },
};

interface Outcome {
  readonly start: Float32Array;
  readonly values: Float32Array;
  readonly reports: readonly Omit<CfEpochReport, 'seconds'>[];
}

/** Trains a model on each of so many ranks at the same time. */
function trainOn(ranks: number, model: string, changes: Partial<CfTrainerOptions>): Promise<Outcome[]> {
  const sizes = { cfDim: 8, initStd: 0.3, seed: 2 };
  const definition = findCfDefinition(model);
  const own = {
    ...{ layers: 2, biases: true, historyLength: 5, blocks: 1, heads: 2, norm: 'pre', dropout: 0.2 },
    ...{ information: 'H', terms: 'both', levelPrior: 2 },
  };
  const train = async (device: Device, collective: CfTrainerOptions['collective']): Promise<Outcome> => {
    const made = definition.create(device, dataset, sizes, own as never);
    const data = { ...dataset.splits, history: made.histories(dataset).before };
    const valuesOf = async () =>
      Float32Array.from([...(await readGroup(made.group)).values()].flatMap(({ data: each }) => [...each]));
    const start = await valuesOf();
    const trainer = new CfTrainer(made, data, { ...options, ...changes, ...(collective && { collective }) });
    const reports: Outcome['reports'][number][] = [];
    await trainer.run({ onEpoch: ({ seconds: _, ...report }) => void reports.push(report) });
    const values = await valuesOf();
    trainer.release();
    made.release();
    return { start, values, reports };
  };
  return Promise.all(inProcess(ranks).map((each, rank) => train(devices[rank]!, ranks > 1 ? each : undefined)));
}

it.each([
  ['mf', { loss: 'softmax', optimizer: 'adamw' }],
  ['lightgcn', { loss: 'sampled-bce' }],
  ['asvd', {}],
  ['sasrec', {}],
  ['sasrec', { loss: 'sequence-bce' }],
] as const)('trains %s with %o as one rank does', async (model, changes) => {
  const [one] = await trainOn(1, model, changes);
  // Each rank compiles kernels of its own, so that more than two take long.
  const ranks = await trainOn(2, model, changes);
  const [first] = ranks;
  expectClose(first!.values, one!.values, { relative: 0, absolute: 1e-5, label: model });
  first!.reports.forEach(({ loss }, epoch) => {
    expect(Math.abs(loss - one!.reports[epoch]!.loss)).toBeLessThan(1e-5);
  });
  for (const rank of ranks) expect(rank).toEqual(first);
  // What is compared has moved, so a rank that did nothing would show.
  expect(Math.max(...first!.values.map((value, i) => Math.abs(value - first!.start[i]!)))).toBeGreaterThan(1e-3);
});

it('follows the float64 reference with ranks as without, to the same bits each time', async () => {
  const data = { train: clicks(35, 5), valid: clicks(40, 8, false) };
  const { criterion: _, ...byAuc } = options;
  const start = toyModel(devices[0]!, 2);
  const expected = simulate(await tablesOf(start), data.train, options, 2);
  start.release();
  // The last batch of an epoch has 3 rows.
  const train = () =>
    Promise.all(
      inProcess(3).map(async (collective, rank) => {
        const model = toyModel(devices[rank]!, 2);
        const trainer = new CfTrainer(model, data, { ...byAuc, collective });
        await trainer.runEpoch();
        await trainer.runEpoch();
        const { values } = await tablesOf(model);
        for (const each of [trainer, model]) each.release();
        return values;
      }),
    );
  const ends = await train();
  expect(await train()).toEqual(ends);
  for (const values of ends) expectClose(values, expected, { relative: 0, absolute: 1e-5, label: 'tables' });
});

it('goes on from a state of another number of ranks', async () => {
  const data = { train: clicks(35, 5), valid: clicks(40, 8, false) };
  const states: CfTrainingState[] = [];
  const ends = await Promise.all(
    inProcess(2).map(async (collective, rank) => {
      const model = toyModel(devices[rank]!, 2);
      const trainer = new CfTrainer(model, data, { ...options, epochs: 3, collective });
      await trainer.runEpoch();
      if (rank === 0) states.push(await trainer.state());
      await trainer.runEpoch();
      const { values } = await tablesOf(model);
      for (const each of [trainer, model]) each.release();
      return values;
    }),
  );
  const model = toyModel(devices[0]!, 2);
  const trainer = new CfTrainer(model, data, { ...options, epochs: 3 });
  trainer.restore(states[0]!, 'state');
  await trainer.runEpoch();
  const { values } = await tablesOf(model);
  expectClose(values, ends[0]!, { relative: 0, absolute: 1e-5, label: 'tables' });
  for (const each of [trainer, model]) each.release();
});

it('refuses a batch of fewer rows than there are ranks', () => {
  const [, second] = inProcess(2);
  const model = toyModel(devices[0]!, 2);
  const data = { train: clicks(35, 5), valid: clicks(40, 8, false) };
  const open = () => new CfTrainer(model, data, { ...options, batchSize: 1, collective: second! });
  expect(open).toThrow(/cf.batchSize: 1 rows are no batch for 2 ranks; raise it to 2 or more, or start fewer ranks/);
  model.release();
});

it('stops on all ranks after the same epoch when one is told to', async () => {
  const data = { train: clicks(35, 5), valid: clicks(40, 8, false) };
  const controller = new AbortController();
  const ends = await Promise.all(
    inProcess(2).map(async (collective, rank) => {
      const model = toyModel(devices[rank]!, 2);
      const trainer = new CfTrainer(model, data, { ...options, epochs: 3, collective });
      const own = rank === 1 && {
        signal: controller.signal,
        onEpoch: () => controller.abort(new Error('told to stop')),
      };
      const words = await trainer.run({ ...own }).then(
        () => 'went on',
        ({ message }: Error) => message,
      );
      const { epoch } = trainer.progress;
      for (const each of [trainer, model]) each.release();
      return { words, epoch };
    }),
  );
  expect(ends).toEqual([
    { words: 'interrupted', epoch: 1 },
    { words: 'told to stop', epoch: 1 },
  ]);
});
