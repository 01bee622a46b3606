/** The trainer against a float64 simulation, and its promises: repeatable, resumable, stops as told. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { memorySource } from '@crossgate/tensor';
import { expectClose } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type CfEpochReport,
  CfTrainer,
  type CfTrainerOptions,
  type CfTrainingState,
  encodeTrainingState,
  LightGcn,
  parseTrainingState,
} from '../src';
import { clicks, itemSeen, lossAndGradient, simulate, tablesOf, toyModel, userSeen } from './toy';

const options: CfTrainerOptions = {
  learningRate: 0.01,
  weightDecay: 0.03,
  batchSize: 8,
  epochs: 4,
  patience: 100,
  warmupEpochs: 0,
  seed: 21,
};
const data = { train: clicks(35, 5), valid: clicks(40, 8, false) };

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const withoutTime = ({ seconds, ...report }: CfEpochReport) => report;

/** Trains a fresh toy model, keeping reports and the state after each epoch. */
async function train(changes: Partial<CfTrainerOptions> = {}, seed = 2) {
  const model = toyModel(device, seed);
  const trainer = new CfTrainer(model, data, { ...options, ...changes });
  const reports: ReturnType<typeof withoutTime>[] = [];
  const states: CfTrainingState[] = [];
  const result = await trainer.run({
    async onEpoch(report) {
      reports.push(withoutTime(report));
      states.push(await trainer.state());
    },
  });
  const tables = await tablesOf(model);
  trainer.release();
  model.release();
  return { result, reports, states, tables };
}

describe('CfTrainer', () => {
  it('follows Adam with coupled L2 on every seen row, in float64, over several epochs', async () => {
    const model = toyModel(device, 2);
    const start = await tablesOf(model);
    const trainer = new CfTrainer(model, data, options);
    const first = await trainer.runEpoch();
    const order = Int32Array.from({ length: 35 }, (_, row) => row);
    // The loss is taken as the values change, so it lies between those before and after the epoch.
    const before = lossAndGradient(start, data.train, order).loss;
    const after = lossAndGradient(await tablesOf(model), data.train, order).loss;
    expect(first.loss).toBeLessThan(before);
    expect(first.loss).toBeGreaterThan(after);
    for (let epoch = 1; epoch < 4; epoch++) await trainer.runEpoch();
    const { values } = await tablesOf(model);
    expectClose(values, simulate(start, data.train, options, 4), { relative: 0, absolute: 1e-5, label: 'tables' });
    // Without decay the outcome is another one, so the comparison above does see it.
    const undecayed = simulate(start, data.train, { ...options, weightDecay: 0 }, 4);
    expect(Math.max(...values.map((value, i) => Math.abs(value - undecayed[i]!)))).toBeGreaterThan(1e-3);
    expect(trainer.progress.steps).toBe(4 * 5);
    trainer.release();
    model.release();
  });

  it('submits steps together', async () => {
    const model = toyModel(device, 2);
    const trainer = new CfTrainer(model, data, { ...options, batchSize: 1 });
    await trainer.runEpoch();
    const submit = vi.spyOn(device.gpu.queue, 'submit');
    await trainer.runEpoch();
    // The batches; steps 1, 2, 4, 8, 16 and 32 of 35 or, before, what a submission holds at most; losses, scores, the
    // best values.
    expect(submit.mock.calls.length).toBeGreaterThan(4);
    expect(submit.mock.calls.length).toBeLessThan(15);
    submit.mockRestore();
    trainer.release();
    model.release();
  });

  it('follows a warm-up and a cosine over all its steps', async () => {
    const schedule = { warmupSteps: 7, warmupStart: 1e-4, schedule: 'cosine', minLearningRate: 1e-3 } as const;
    const { tables, states } = await train(schedule);
    const model = toyModel(device, 2);
    const start = await tablesOf(model);
    const expected = simulate(start, data.train, { ...options, ...schedule }, 4);
    const last = ['user', 'item'].flatMap((name) => [
      ...states[3]!.tensors.get(`model.${name}_embedding.weight`)!.data,
    ]);
    expectClose(Float32Array.from(last), expected, { relative: 0, absolute: 1e-5, label: 'tables' });
    const constant = await train();
    expect(tables).not.toEqual(constant.tables);
    // A cosine ends with the last epoch, so a state of it goes on to as many epochs only.
    const other = new CfTrainer(model, data, { ...options, ...schedule, epochs: 9 });
    expect(() => other.restore(states[1]!, 'state')).toThrow(/trained with epochs 4, now 9/);
    for (const each of [other, model]) each.release();
    expect(() => new CfTrainer(model, data, { ...options, warmupSteps: -1 })).toThrow(/warmupSteps -1/);
    expect(() => new CfTrainer(model, data, { ...options, minLearningRate: -1 })).toThrow(/minLearningRate -1/);
  });

  it.each(['bce', 'sampled-bce', 'bpr'] as const)('neither sends nor waits inside an epoch, %s', async (loss) => {
    const model = toyModel(device, 2);
    const trainer = new CfTrainer(model, data, { ...options, loss });
    const events: string[] = [];
    const { recorder } = device;
    const spies = [
      vi.spyOn(recorder, 'write').mockImplementation(() => void events.push('write')),
      vi.spyOn(recorder, 'read').mockImplementation(() => {
        events.push('read');
        return Promise.reject(new Error('the epoch is over'));
      }),
      vi.spyOn(recorder, 'synchronize'),
      vi.spyOn(recorder, 'dispatch').mockImplementation(({ declaration }) => {
        if (declaration.name === 'adam') events.push('update');
      }),
    ];
    await expect(trainer.runEpoch()).rejects.toThrow('the epoch is over');
    const updates = trainer.data.train.label.filter((label) => loss === 'bce' || label === 1).length / 8;
    // What follows is the validation.
    const inside = events.slice(0, events.indexOf('read'));
    expect(inside).toEqual(new Array(Math.ceil(updates)).fill('update'));
    expect(recorder.synchronize).not.toHaveBeenCalled();
    for (const spy of spies) spy.mockRestore();
    for (const each of [trainer, model]) each.release();
  });

  it('leaves unseen rows and padding exactly zero', async () => {
    const model = toyModel(device, 2);
    const trainer = new CfTrainer(model, data, options);
    await trainer.run();
    const { users, items } = await model.exportEmbeddings();
    for (const [table, seen] of [
      [users, userSeen],
      [items, itemSeen],
    ] as const) {
      seen.forEach((flag, row) => {
        const zero = table.subarray(row * model.cfDim, (row + 1) * model.cfDim).every((value) => value === 0);
        expect(zero).toBe(flag === 0);
      });
    }
    trainer.release();
    model.release();
  });

  it('gives the same bits for the same seed, others for another', async () => {
    const [one, two, other] = [await train(), await train(), await train({ seed: 22 })];
    expect(two.reports).toEqual(one.reports);
    expect(two.tables).toEqual(one.tables);
    expect(other.tables).not.toEqual(one.tables);
  });

  it('goes on from a saved file to the bits of an unbroken run', async () => {
    const unbroken = await train({ epochs: 7 });
    const parts: Uint8Array[] = [];
    for await (const part of encodeTrainingState(unbroken.states[2]!)) parts.push(part.slice());
    const model = toyModel(device, 99);
    const trainer = new CfTrainer(model, data, { ...options, epochs: 7 });
    trainer.restore(
      await parseTrainingState(memorySource('last.safetensors', Buffer.concat(parts))),
      'last.safetensors',
    );
    const reports: unknown[] = [];
    const result = await trainer.run({
      onEpoch: (report) => {
        reports.push(withoutTime(report));
      },
    });
    expect(reports).toEqual(unbroken.reports.slice(3));
    expect(result).toEqual(unbroken.result);
    expect(await tablesOf(model)).toEqual(unbroken.tables);
    trainer.release();
    model.release();
  });

  it('learns a tiny set by heart', async () => {
    const model = toyModel(device, 1, 0.5, 16);
    const tiny = { train: data.train, valid: data.train };
    const trainer = new CfTrainer(model, tiny, { ...options, learningRate: 0.05, weightDecay: 0, epochs: 60 });
    const losses: number[] = [];
    const { bestAuc } = await trainer.run({
      onEpoch: ({ loss }) => {
        losses.push(loss);
      },
    });
    expect(losses[0]).toBeGreaterThan(0.4);
    expect(losses.at(-1)).toBeLessThan(0.02);
    expect(bestAuc).toBe(1);
    trainer.release();
    model.release();
  });

  it('stops when patience is over and hands over the values of the best epoch', async () => {
    const { result, reports, states, tables } = await train({ epochs: 50, patience: 3, warmupEpochs: 4 });
    const aucs = reports.map(({ validAuc }) => validAuc!);
    const best = aucs.indexOf(Math.max(...aucs)) + 1;
    expect(result).toMatchObject({ stopped: 'patience', bestEpoch: best, bestAuc: Math.max(...aucs) });
    expect(result.epoch).toBe(Math.max(best, 4) + 3);
    const values = ['user', 'item'].flatMap((name) => [
      ...states[best - 1]!.tensors.get(`model.${name}_embedding.weight`)!.data,
    ]);
    expect(Array.from(tables.values)).toEqual(values);
  });

  it('keeps the last epoch when there is nothing to validate on', async () => {
    const model = toyModel(device, 2);
    const trainer = new CfTrainer(model, { train: data.train, valid: clicks(0, 1) }, options);
    const result = await trainer.run();
    expect(result).toEqual({ epoch: 4, steps: 20, bestEpoch: 4, bestAuc: null, stopped: 'epochs' });
    trainer.release();
    model.release();
  });

  it('ends between two steps when aborted, and frees what it took', async () => {
    const model = toyModel(device, 2);
    const trainer = new CfTrainer(model, data, options);
    const controller = new AbortController();
    const run = trainer.run({
      signal: controller.signal,
      onEpoch: () => controller.abort(new Error('enough')),
    });
    await expect(run).rejects.toThrow('enough');
    expect(trainer.progress.epoch).toBe(1);
    trainer.release();
    model.release();
    expect(device.memory.report().persistent).toEqual({});
  });

  it('refuses bad options, unseen train rows and foreign states, naming them', async () => {
    const model = toyModel(device, 2);
    const make = (changes: Partial<CfTrainerOptions>) => () => new CfTrainer(model, data, { ...options, ...changes });
    expect(make({ batchSize: 0 })).toThrow(/batchSize 0/);
    expect(make({ learningRate: Number.NaN })).toThrow(/learningRate NaN/);
    expect(make({ weightDecay: -1 })).toThrow(/weightDecay -1/);
    expect(make({ patience: 1.5 })).toThrow(/patience 1.5/);
    for (const word of [{ loss: 'bprr' }, { optimizer: 'sgd' }, { schedule: 'linear' }]) {
      expect(make(word as unknown as Partial<CfTrainerOptions>)).toThrow(/^\w+ "(bprr|sgd|linear)" is not one of \w/);
    }
    const cold = { ...data.train, user: data.train.user.with(3, 4) };
    expect(() => new CfTrainer(model, { ...data, train: cold }, options)).toThrow(/train row 3 \(user 4, /);
    expect(() => new CfTrainer(model, { ...data, train: clicks(0, 1) }, options)).toThrow(/no rows/);

    const trainer = make({})();
    await trainer.runEpoch();
    const state = await trainer.state();
    const before = await tablesOf(model);
    const other = make({ learningRate: 0.5 })();
    expect(() => other.restore(state, 'x')).toThrow(/x: it was trained with learningRate 0.01, now 0.5/);
    // What only the saved one differs from the default in.
    const ranked = make({ loss: 'bpr', warmupSteps: 3 })();
    const ofRanks = await ranked.state();
    expect(() => trainer.restore(ofRanks, 'x')).toThrow(/x: it was trained with loss bpr, now of the default is asked/);
    const graph = LightGcn.create(device, { userSeen, itemSeen, cfDim: 6, layers: 1, graph: data.train, seed: 1 });
    const propagated = new CfTrainer(graph, data, options);
    expect(() => propagated.restore(state, 'x')).toThrow(/x: it was trained with model mf, now lightgcn/);
    const { model: _, ...unnamed } = JSON.parse(state.metadata.settings!);
    trainer.restore({ ...state, metadata: { ...state.metadata, settings: JSON.stringify(unnamed) } }, 'of before');
    for (const each of [ranked, propagated, graph]) each.release();
    const missing = new Map(state.tensors);
    missing.delete('optimizer.item_embedding.weight.second');
    const damaged = { tensors: missing, metadata: state.metadata };
    expect(() => trainer.restore(damaged, 'x')).toThrow(/x: "optimizer.item_embedding.weight.second" is missing/);
    expect(() => trainer.restore({ ...state, metadata: {} }, 'x')).toThrow(/no training state/);
    expect(() => trainer.restore({ ...state, metadata: { ...state.metadata, progress: '{"epoch":-1}' } }, 'x')).toThrow(
      /progress is damaged/,
    );
    expect(await tablesOf(model)).toEqual(before);
    for (const each of [trainer, other]) each.release();
    model.release();
  });

  it('says so when training diverges', async () => {
    const model = toyModel(device, 2, 1e20);
    const trainer = new CfTrainer(model, data, options);
    await expect(trainer.run()).rejects.toThrow(/epoch 1: the loss is (NaN|Infinity|-Infinity); lower learningRate/);
    trainer.release();
    model.release();
  });

  it('keeps no memory of a step that throws, and goes on from the last state to the same bits', async () => {
    const whole = await train();
    for (const place of ['adam', 'copy'] as const) {
      const model = toyModel(device, 2);
      const trainer = new CfTrainer(model, data, options);
      await trainer.runEpoch();
      const state = await trainer.state();
      // So that steps are recorded again.
      device.recorder.endPrograms();
      const spy =
        place === 'copy'
          ? vi.spyOn(device.recorder, 'copy').mockImplementation(() => {
              throw new Error('in the middle');
            })
          : vi.spyOn(device.recorder, 'dispatch').mockImplementation(({ declaration }) => {
              if (declaration.name === 'adam') throw new Error('in the middle');
            });
      await expect(trainer.runEpoch()).rejects.toThrow('in the middle');
      spy.mockRestore();
      expect(device.report().step.current).toBe(0);
      trainer.restore(state, 'state');
      await trainer.run();
      expect(await tablesOf(model)).toEqual(whole.tables);
      trainer.release();
      model.release();
    }
  });

  it('gives no state that holds a value that is not finite', async () => {
    const model = toyModel(device, 2);
    const trainer = new CfTrainer(model, data, options);
    await trainer.runEpoch();
    const good = await trainer.state();
    const name = 'optimizer.user_embedding.weight.second';
    const { shape, data: values } = good.tensors.get(name)!;
    // An infinite second moment makes the update 0: no loss shows it.
    const tensors = new Map(good.tensors).set(name, { shape, data: new Float32Array(values.length).fill(Infinity) });
    trainer.restore({ ...good, tensors }, 'state');
    await trainer.runEpoch();
    await expect(trainer.state()).rejects.toThrow(/"optimizer\.user_embedding\.weight\.second" holds a value/);
    trainer.restore(good, 'state');
    expect((await trainer.state()).tensors).toEqual(good.tensors);
    trainer.release();
    model.release();
  });

  it('finds a last update that made the scores no numbers, before it counts the epoch', async () => {
    const model = toyModel(device, 2);
    // One step an epoch: its loss is taken before the update.
    const trainer = new CfTrainer(model, data, { ...options, batchSize: 35, learningRate: 1e30 });
    await expect(trainer.runEpoch()).rejects.toThrow(/epoch 1: a validation score is .*; lower learningRate/);
    expect(trainer.progress.epoch).toBe(0);
    trainer.release();
    model.release();
  });
});
