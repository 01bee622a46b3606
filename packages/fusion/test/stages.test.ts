// Which parameters each training stage moves: hashes of all of them before, between and after.
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import type { HostState } from '@crossgate/tensor';
import { readGroup } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationReport, GroupName, Method, TrainerOptions, TrainerState, TrainingStrategy } from '../src';
import { ccf, stagesOf, tallrec, trainHybrid } from '../src';
import { tinyDataset } from './tiny';
import { defaultSettings, hashModel, hashState, tinySystem, trainerOptions } from './training';

type Hashes = Awaited<ReturnType<typeof hashModel>>;

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

interface Snapshot {
  readonly stage: number;
  readonly step: number;
  readonly hashes: Hashes;
  readonly best: HostState | null;
}

/** Trains, and takes hashes before, at every checkpoint, and after. */
async function watch(method: Method, strategy: TrainingStrategy, changes: Partial<TrainerOptions> = {}) {
  const system = await tinySystem(device, dataset, method);
  const before = await hashModel(system.model);
  const snapshots: Snapshot[] = [];
  const evaluations: EvaluationReport[] = [];
  const best = await trainHybrid(
    trainerOptions(system, dataset, method, {
      stages: stagesOf(method, strategy),
      // Three checkpoints a stage, one of them with an evaluation.
      checkpointEvery: 2,
      onEvaluation: (report) => evaluations.push(report),
      onCheckpoint: async ({ stage, step, best: state }) => {
        snapshots.push({ stage, step, hashes: await hashModel(system.model), best: state?.parameters ?? null });
      },
      ...changes,
    }),
  );
  const after = await hashModel(system.model);
  const trainable = system.model.allGroups().map((group) => group.trainable);
  system.release();
  return { before, snapshots, evaluations, after, best, trainable };
}

/** Asserts that all parameters of a group, one by one, differ, or that none does. */
function expectMoved(now: Hashes, then: Hashes, group: GroupName | 'base', moved: boolean, where: string): void {
  const [current, earlier] = [now[group]!, then[group]!];
  expect(Object.keys(current).length, `${group} holds something`).toBeGreaterThan(0);
  for (const name of Object.keys(earlier)) {
    if (moved) expect(current[name], `${name} moves ${where}`).not.toBe(earlier[name]);
    else expect(current[name], `${name} stays ${where}`).toBe(earlier[name]);
  }
}

/** Groups of the best parameters, as hashes. */
function bestHashes(state: HostState, hashes: Hashes, group: GroupName): Record<string, string> {
  const all = hashState(state);
  return Object.fromEntries(Object.keys(hashes[group]!).map((name) => [name, all[name]!]));
}

describe.each([true, false])('CCF-LLM in two stages with trainCf %s', (trainCf) => {
  it('moves Θ1 in the first stage alone, Θ2 in the second alone, the base never', async () => {
    const { before, snapshots, evaluations, after, best, trainable } = await watch(ccf, 'two-stage', { trainCf });
    expect(snapshots.map(({ stage, step }) => [stage, step])).toEqual([
      [0, 2],
      [0, 4],
      [0, 5],
      [1, 2],
      [1, 4],
      [1, 5],
    ]);
    expect(evaluations.map(({ stage, step }) => [stage, step])).toEqual([
      [0, 5],
      [1, 5],
    ]);
    expect(evaluations[0]!.validAuc).not.toBeNull();

    for (const { stage, step, hashes } of snapshots) {
      const where = `at step ${step} of stage ${stage + 1}`;
      expectMoved(hashes, before, 'base', false, where);
      expectMoved(hashes, before, 'lora', true, where);
      expectMoved(hashes, before, 'fusion', stage === 1, where);
      expectMoved(hashes, before, 'cf', stage === 1 && trainCf, where);
    }
    // Every checkpoint of a stage holds new values of what it trains, and of nothing else.
    for (let i = 1; i < snapshots.length; i++) {
      const [earlier, now] = [snapshots[i - 1]!, snapshots[i]!];
      const where = `between checkpoints ${i - 1} and ${i}`;
      expectMoved(now.hashes, earlier.hashes, 'lora', now.stage === 0, where);
      expectMoved(now.hashes, earlier.hashes, 'fusion', now.stage === 1, where);
      expectMoved(now.hashes, earlier.hashes, 'cf', now.stage === 1 && trainCf, where);
    }
    // The adapters of the second stage are the best of the first.
    const firstBest = snapshots[2]!.best!;
    for (const { hashes } of snapshots.slice(3)) {
      expect(hashes.lora).toEqual(bestHashes(firstBest, before, 'lora'));
    }
    expectMoved(after, before, 'base', false, 'at the end');
    for (const group of ['lora', 'fusion', 'cf'] as const) {
      expect(after[group], `best ${group}`).toEqual(bestHashes(best!.parameters, before, group));
    }
    expect(trainable).toEqual([false, false, false]);
  });
});

it('stage 2 starts from the best parameters of stage 1, not from its last', async () => {
  const system = await tinySystem(device, dataset, ccf);
  const start = await hashModel(system.model);
  const parameters: HostState = new Map();
  for (const group of system.model.allGroups()) {
    for (const [name, value] of await readGroup(group)) parameters.set(name, value);
  }
  // A finished first stage: the last parameters differ from the best in every value.
  const last: HostState = new Map(
    [...parameters].map(([name, { shape, data }]) => [name, { shape, data: data.map((value) => value + 0.25) }]),
  );
  const moments: HostState = new Map();
  for (const { name, shape, size } of system.model.groups().get('lora')![0]!.parameters) {
    for (const moment of ['first', 'second']) moments.set(`${name}.${moment}`, { shape, data: new Float32Array(size) });
  }
  const resume: TrainerState = {
    stage: 0,
    step: 5,
    optimizerSteps: 5,
    parameters: last,
    moments,
    best: { stage: 0, step: 1, auc: 0, parameters },
    evaluationsSinceBest: 1,
  };
  const seen: { stage: number; hashes: Hashes }[] = [];
  await trainHybrid(
    trainerOptions(system, dataset, ccf, {
      resume,
      onCheckpoint: async ({ stage }) => {
        seen.push({ stage, hashes: await hashModel(system.model) });
      },
      // No weight decay and no rate: the second stage leaves everything as it found it.
      settings: { stage1: defaultSettings, stage2: { ...defaultSettings, learningRate: 0 } },
    }),
  );
  expect(seen.map(({ stage }) => stage)).toEqual([1]);
  expect(seen[0]!.hashes).toEqual(start);
  system.release();
});

it('stage1-only trains the adapters and nothing else', async () => {
  const { before, snapshots, after } = await watch(ccf, 'stage1-only');
  expect(snapshots.map(({ stage }) => stage)).toEqual([0, 0, 0]);
  for (const hashes of [...snapshots.map((snapshot) => snapshot.hashes), after]) {
    expectMoved(hashes, before, 'lora', true, 'in the one stage');
    for (const group of ['base', 'fusion', 'cf'] as const) expectMoved(hashes, before, group, false, 'in stage1-only');
  }
});

it.each([true, false])('end-to-end trains everything but the base, with trainCf %s', async (trainCf) => {
  const { before, snapshots, after } = await watch(ccf, 'end-to-end', { trainCf });
  expect(snapshots.map(({ stage }) => stage)).toEqual([0, 0, 0]);
  for (const hashes of [...snapshots.map((snapshot) => snapshot.hashes), after]) {
    expectMoved(hashes, before, 'base', false, 'end-to-end');
    expectMoved(hashes, before, 'lora', true, 'end-to-end');
    expectMoved(hashes, before, 'fusion', true, 'end-to-end');
    expectMoved(hashes, before, 'cf', trainCf, 'end-to-end');
  }
});

it('TALLRec has the adapters alone', async () => {
  const { before, snapshots, after } = await watch(tallrec, 'stage1-only');
  expect(Object.keys(before)).toEqual(['base', 'lora']);
  expect(snapshots.map(({ stage }) => stage)).toEqual([0, 0, 0]);
  for (const hashes of [...snapshots.map((snapshot) => snapshot.hashes), after]) {
    expectMoved(hashes, before, 'base', false, 'in TALLRec');
    expectMoved(hashes, before, 'lora', true, 'in TALLRec');
  }
});
