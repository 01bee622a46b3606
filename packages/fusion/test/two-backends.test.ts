/** Two CF backends, each with its own ALG and GATE (eq. 7): what they add up to, and that they train and resume. */
import { MatrixFactorization } from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { readGroup } from '@crossgate/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildHybridModel, ccf, HybridModel, packPrompts, type TrainerState, trainHybrid } from '../src';
import { tinyDataset } from './tiny';
import { hashState, tinySystem, trainerOptions } from './training';

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

/** The tiny system with a second backend of another width. */
async function twoBackends() {
  const system = await tinySystem(device, dataset, ccf);
  const seen = (count: number) => Uint8Array.from({ length: count }, (_, i) => Number(i > 0));
  const second = MatrixFactorization.create(device, {
    ...{ cfDim: 4, seed: 9, userSeen: seen(dataset.users.length), itemSeen: seen(dataset.items.length) },
  });
  const { model, norms } = await buildHybridModel(system.model.llm, [system.model.cf[0]!.backend, second], {
    seed: 1,
    lora: { rank: 3, alpha: 6, dropout: 0.2, targets: ['q_proj', 'v_proj'] },
    alg: { hiddenFactor: 2, init: 'matchTokenNorm' },
    gate: { hidden: 9, activation: 'none', init: 'default', width: 'dimension' },
    slots: ccf.slots,
  });
  const release = () => {
    model.release();
    second.release();
    system.release();
  };
  return { ...system, model, norms, release };
}

it('adds the gated vectors of both to a title token, and both user vectors in one slot', async () => {
  const system = await twoBackends();
  const { model, builder, norms } = system;
  expect(norms).toHaveLength(2);
  const batch = packPrompts([builder.build({ user: 3, item: 2, history: [1] })]);
  const embeddings = async (of: HybridModel) => {
    using _ = device.step();
    return of.embed(batch).read();
  };
  const [both, first, second, text] = [
    await embeddings(model),
    ...(await Promise.all(model.cf.map((channel) => embeddings(new HybridModel(model.llm, [channel]))))),
    await (async () => {
      using _ = device.step();
      // Without a vector, a position holds its token; the user's slot holds nothing.
      return model.llm.embed(Uint32Array.from(batch.positions.tokenIds, (token) => Math.max(0, token))).read();
    })(),
  ] as const;
  const { tokenIds, cfRows } = batch.positions;
  for (const [position, token] of tokenIds.entries()) {
    for (let column = 0; column < 16; column++) {
      const at = position * 16 + column;
      const own = token < 0 ? 0 : text![at]!;
      expect(both[at]).toBeCloseTo(first![at]! + second![at]! - own, 5);
    }
  }
  expect(cfRows.filter((row) => row >= 0).length).toBeGreaterThan(3);
  system.release();
});

it('trains values of both under names of their own, and goes on from any checkpoint to the same bits', async () => {
  const run = async (resume?: TrainerState) => {
    const system = await twoBackends();
    const before = new Map<string, string>();
    for (const group of system.model.allGroups()) {
      for (const [name, hash] of Object.entries(hashState(await readGroup(group)))) before.set(name, hash);
    }
    const states: TrainerState[] = [];
    const best = await trainHybrid(
      trainerOptions(system, dataset, ccf, {
        ...{ checkpointEvery: 3, resume },
        onCheckpoint: async (state) => void states.push(state),
      }),
    );
    system.release();
    return { best: hashState(best!.parameters), before, states };
  };
  const whole = await run();
  const names = [...whole.before.keys()];
  for (const name of ['alg.output.weight', 'gate.cf.output.weight', 'user_embedding.weight']) {
    expect(names).toContain(name);
    expect(names).toContain(`backend2.${name}`);
  }
  const last = hashState(whole.states.at(-1)!.parameters);
  const moved = names.filter((name) => last[name] !== whole.before.get(name));
  for (const part of ['alg.', 'gate.', 'backend2.alg.', 'backend2.gate.']) {
    expect(
      moved.some((name) => name.startsWith(part)),
      part,
    ).toBe(true);
  }
  const state = whole.states.find(({ stage }) => stage === 1)!;
  expect([...state.moments.keys()]).toContain('backend2.alg.output.weight.first');
  expect((await run(state)).best).toEqual(whole.best);
});
