/** Methods that are declared in a test alone: two prompts, and learned vectors, train on the tiny world. */
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { readGroup } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ccf,
  fillNoun,
  HybridModel,
  kinds,
  type Method,
  methods,
  PromptBuilder,
  packPrompts,
  scoreRows,
  stagesOf,
  Template,
  type TrainerState,
  trainHybrid,
} from '../src';
import { tinyDataset, tinyTokenizer } from './tiny';
import { defaultSettings, hashState, tinySystem, trainerOptions } from './training';

/** As CoLLM: LoRA on titles in words, then ALG on a prompt with the vectors of the user and the candidate. */
const twoPrompts: Method = {
  name: 'two-prompts',
  summary: 'LoRA on text, then the mapping of CF vectors in another prompt',
  information: 'H',
  template:
    'Liked {nouns}: {history}. The feature {user}. Would they enjoy {item} with the feature {itemVector}? #Answer:',
  slots: {
    history: { titles: 'history' },
    item: { titles: 'item' },
    user: { vector: 'user' },
    itemVector: { vector: 'item' },
  },
  strategies: {
    'two-stage': [
      { settings: 'stage1', trains: ['lora'], template: 'Liked {nouns}: {history}. Would they enjoy {item}? #Answer:' },
      { settings: 'stage2', trains: ['fusion'], best: 'own' },
    ],
  },
  loss: 'yes-logit-bce',
};

/** Vectors that are learned for their slots alone (as Softprompt), beside LoRA. */
const soft: Method = {
  name: 'soft',
  summary: 'learned vectors before titles',
  information: 'H',
  template: 'For {user} liked {history} {before} {item} #Answer:',
  slots: { user: { learned: 2 }, history: { titles: 'history' }, before: { learned: 1 }, item: { titles: 'item' } },
  strategies: { 'stage1-only': [{ settings: 'stage1', trains: ['lora', 'learned'] }] },
  loss: 'yes-logit-bce',
};

let device: Device;
let dataset: Dataset;
beforeAll(async () => {
  device = await openDevice();
  dataset = await tinyDataset();
});
afterAll(() => device.destroy());

const yesLogit = { kind: 'yes-logit-bce', k: 2, bprOn: 'probability' } as const;

describe('two prompts, declared here', () => {
  it('trains LoRA on text alone, then ALG on its own prompt, and keeps the best of that', async () => {
    const system = await tinySystem(device, dataset, twoPrompts);
    const { model } = system;
    const groups = async () =>
      Object.fromEntries(
        await Promise.all(
          [...model.groups()].map(async ([name, [group]]) => [name, hashState(await readGroup(group!))]),
        ),
      );
    const before = await groups();
    const states: TrainerState[] = [];
    const options = trainerOptions(system, dataset, twoPrompts, {
      loss: yesLogit,
      onCheckpoint: async (state) => void states.push(state),
    });
    expect(options.builders.map((builder) => builder.describe({ user: 3, item: 2, history: [1] }))).toEqual([
      'Liked items: "Calm Story 0". Would they enjoy "Loud Story 3"? #Answer:',
      'Liked items: "Calm Story 0". The feature [User 3]. Would they enjoy "Loud Story 3" with the feature [Item 2]? #Answer:',
    ]);
    const best = await trainHybrid(options);
    expect(best!.stage).toBe(1);
    const [first, second] = [0, 1].map((stage) => states.findLast((state) => state.stage === stage)!);
    expect(first!.best!.stage).toBe(0);
    // Stage 1 moves LoRA alone, stage 2 ALG alone: the vectors of the candidate reach the loss.
    const after = await groups();
    expect(after.cf).toEqual(before.cf);
    const changed = (a: Record<string, string>, b: Record<string, string>) =>
      Object.keys(a).filter((name) => a[name] !== b[name]);
    expect(changed(before.lora!, after.lora!).length).toBeGreaterThan(0);
    const fusion = (state: TrainerState) =>
      hashState(new Map([...state.parameters].filter(([n]) => n in before.fusion!)));
    expect(fusion(first!)).toEqual(before.fusion);
    expect(changed(before.fusion!, fusion(second!)).some((name) => name.startsWith('alg.'))).toBe(true);
    system.release();
  });

  it('goes on from any checkpoint to the same bits', async () => {
    const run = async (resume?: TrainerState) => {
      const system = await tinySystem(device, dataset, twoPrompts);
      const states: TrainerState[] = [];
      const best = await trainHybrid(
        trainerOptions(system, dataset, twoPrompts, {
          loss: yesLogit,
          checkpointEvery: 2,
          resume,
          onCheckpoint: async (state) => void states.push(state),
        }),
      );
      system.release();
      return { best: hashState(best!.parameters), states };
    };
    const whole = await run();
    expect(whole.states.length).toBeGreaterThan(4);
    for (const state of whole.states) expect((await run(state)).best).toEqual(whole.best);
  });

  it('puts one vector of the candidate behind its title', async () => {
    const system = await tinySystem(device, dataset, twoPrompts);
    const prompt = system.builder.build({ user: 3, item: 2, history: [1] });
    const at = prompt.kinds.indexOf(kinds.item);
    expect([prompt.tokenIds[at], prompt.entities[at]]).toEqual([-1, 2]);
    expect(prompt.kinds.filter((kind) => kind !== kinds.text)).toHaveLength(2);
    // Nothing before the candidate's title depends on it.
    const other = system.builder.build({ user: 3, item: 4, history: [1] });
    expect(other.sharedLength).toBe(prompt.sharedLength);
    const shared = prompt.sharedLength!;
    expect([...other.entities.subarray(0, shared)]).toEqual([...prompt.entities.subarray(0, shared)]);
    system.release();
  });
});

describe('learned vectors', () => {
  it('are trained beside LoRA, each slot with its own', async () => {
    const system = await tinySystem(device, dataset, soft);
    const { model } = system;
    const prompt = system.builder.build({ user: 3, item: 2, history: [1] });
    expect([...prompt.entities].filter((_, i) => prompt.kinds[i] === kinds.learned)).toEqual([1, 2, 3]);
    const learned = model.groups().get('learned')![0]!;
    const before = (await readGroup(learned)).get('learned.vectors')!;
    expect(before.shape).toEqual([3, 16]);
    const loss = { ...yesLogit, yesToken: 2, noToken: 3 };
    const rows = Int32Array.of(0, 1, 2);
    const scores = await scoreRows(model, system.builder, dataset, 'valid', rows, loss);
    await trainHybrid(
      trainerOptions(system, dataset, soft, {
        loss: yesLogit,
        settings: { stage1: defaultSettings, stage2: defaultSettings },
      }),
    );
    const after = (await readGroup(learned)).get('learned.vectors')!;
    for (let row = 0; row < 3; row++) {
      const part = (values: Float32Array) => [...values.subarray(16 * row, 16 * (row + 1))];
      expect(part(after.data), `vector ${row}`).not.toEqual(part(before.data));
    }
    expect(await scoreRows(model, system.builder, dataset, 'valid', rows, loss)).not.toEqual(scores);
    system.release();
  });

  it('and CF vectors are added to one prompt by their own channels', async () => {
    const both: Method = { ...soft, slots: { ...soft.slots, item: { titles: 'item', fused: true } } };
    const system = await tinySystem(device, dataset, both);
    const { model, builder } = system;
    const batch = packPrompts([builder.build({ user: 1, item: 2, history: [3] })]);
    using _ = device.step();
    const values = await model.embed(batch).read();
    const row = (position: number) => [...values.subarray(16 * position, 16 * (position + 1))];
    const learned = (await readGroup(model.groups().get('learned')![0]!)).get('learned.vectors')!.data;
    const first = batch.learnedRows.indexOf(0);
    expect(row(first)).toEqual([...learned.subarray(0, 16)]);
    // A title token differs from its embedding by the fused vector.
    const title = batch.positions.cfRows.findIndex((value) => value >= 0);
    const plain = await model.llm.embed(Uint32Array.of(batch.positions.tokenIds[title]!)).read();
    expect(row(title)).not.toEqual([...plain]);
    system.release();
  });
});

describe('titles that spell a placeholder', () => {
  it('change the vectors at their own tokens alone', async () => {
    const method: Method = { ...soft, slots: { ...soft.slots, item: { titles: 'item', fused: true } } };
    const system = await tinySystem(device, dataset, method);
    const { model } = system;
    const embedded = async (title: string) => {
      const titles = dataset.items.map((item, id) => (id === 2 ? title : item.title));
      const { template, slots } = method;
      const builder = new PromptBuilder(tinyTokenizer, titles, { template, slots, historyLength: 3, maxLength: 200 });
      const prompt = builder.build({ user: 1, item: 4, history: [2, 3] });
      using _ = device.step();
      return { prompt, values: await model.embed(packPrompts([prompt])).read() };
    };
    const [plain, spelled] = [await embedded('calm calm calm'), await embedded('{user}')];
    expect(spelled.prompt.kinds).toEqual(plain.prompt.kinds);
    const differ = [...plain.prompt.tokenIds.keys()].filter((position) => {
      const row = (values: ArrayLike<number>) => Array.from({ length: 16 }, (_, i) => values[16 * position + i]);
      return row(spelled.values).join() !== row(plain.values).join();
    });
    // The three tokens of the title, behind the two learned vectors and the words "For" and "liked" and a quote.
    const first = plain.prompt.tokenIds.findIndex((token, position) => token !== spelled.prompt.tokenIds[position]);
    expect(differ).toEqual([first, first + 1, first + 2]);
    system.release();
  });
});

describe('what a declaration cannot say', () => {
  it('a vector that no channel gives', async () => {
    const system = await tinySystem(device, dataset, ccf);
    const textOnly = new HybridModel(system.model.llm);
    const batch = packPrompts([system.builder.build({ user: 1, item: 2, history: [3] })]);
    using _ = device.step();
    expect(() => textOnly.embed(batch)).toThrow(/of the kind title, but no channel of the model gives one/);
    system.release();
  });

  it('another prompt in a later stage that keeps the best of the one before', () => {
    const [first, second] = twoPrompts.strategies['two-stage']!;
    const wrong: Method = { ...twoPrompts, strategies: { 'two-stage': [first!, { ...second!, best: 'carry' }] } };
    expect(() => stagesOf(wrong, 'two-stage')).toThrow('stage2 has another prompt; it must choose its own best');
  });

  it('of the shipped ones, every strategy and prompt fits its slots', () => {
    for (const method of methods) {
      for (const strategy of Object.keys(method.strategies) as (keyof Method['strategies'])[]) {
        for (const { template } of stagesOf(method, strategy)) new Template(fillNoun(template, 'items'), method.slots);
      }
    }
  });
});

it('a template alone gives the text that other language models read', () => {
  const template = new Template('Liked: {history}. Neighbors: {near}. {item}?', {
    history: { titles: 'history' },
    near: { titles: 'neighbors' },
    item: { titles: 'item' },
  });
  const title = (id: number) => `T${id}`;
  expect(template.text({ user: 1, item: 9, history: [1, 2, 3], neighbors: [4, 5] }, 2, title)).toBe(
    'Liked: "T2", "T3". Neighbors: "T4", "T5". "T9"?',
  );
  expect(template.text({ user: 1, item: 9, history: [] }, 2, title)).toBe('Liked: unknown. Neighbors: unknown. "T9"?');
});
