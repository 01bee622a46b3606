/** The generated world: fixed to the bit, sized and split as documented, its two parts of taste independent, its oracles in order. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logistic, nearlyNormal, uniform } from '../src/demo/arithmetic';
import {
  assembleDataset,
  buildDemo,
  type DemoOracleScores,
  demoConstants,
  demoLogit,
  demoOracles,
  generateDemoWorld,
  RandomStream,
  type SplitName,
  summarizeDataset,
} from '../src/index';
import { loadSource, openDataset, prepareDataset } from '../src/node';

const world = generateDemoWorld();
const dataset = await buildDemo(world);
const oracles = demoOracles(dataset, world);
const hash = 'ae0dd4235bfbd3f639ff19281732845593f8b1a733382a1520229b89c20333fb';

/** AUC by rank sums, ties at half. */
function auc(label: ArrayLike<number>, score: ArrayLike<number>): number {
  const order = Array.from(label, (_, row) => row).sort((a, b) => (score[a] as number) - (score[b] as number));
  let rankSum = 0;
  let positives = 0;
  for (let first = 0; first < order.length; ) {
    let end = first;
    while (end < order.length && score[order[end] as number] === score[order[first] as number]) end++;
    for (const row of order.slice(first, end)) {
      if (label[row] !== 1) continue;
      rankSum += (first + 1 + end) / 2;
      positives++;
    }
    first = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (order.length - positives));
}

/** Mean AUC of the users with both classes. */
function uauc(split: SplitName, score: Float64Array): number {
  const { user, label } = dataset.splits[split];
  const rowsOf = new Map<number, number[]>();
  for (const [row, id] of user.entries()) rowsOf.set(id, [...(rowsOf.get(id) ?? []), row]);
  const values = [...rowsOf.values()]
    .map((rows) =>
      auc(
        Uint8Array.from(rows, (row) => label[row] as number),
        Float64Array.from(rows, (row) => score[row] as number),
      ),
    )
    .filter((value) => !Number.isNaN(value));
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const product = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    x.reduce((sum, value, index) => sum + (value - mx) * ((y[index] as number) - my), 0);
  return product(a, meanA, b, meanB) / Math.sqrt(product(a, meanA, a, meanA) * product(b, meanB, b, meanB));
}

describe('the data set', () => {
  it('has the same bits in every run', async () => {
    expect(dataset.hash).toBe(hash);
    expect((await loadSource('demo')).hash).toBe(hash);
    expect(dataset.warnings).toEqual([]);
  });

  it('has the documented counts', () => {
    expect(summarizeDataset(dataset)).toEqual({
      dataset: 'demo',
      users: 1000,
      items: 1500,
      splits: {
        train: { rows: 135890, positives: 67899, users: 950, items: 700, seen: 135890 },
        valid: { rows: 33775, positives: 16974, users: 975, items: 1100, seen: 16833 },
        test: { rows: 34234, positives: 17228, users: 1000, items: 1500, seen: 11469 },
      },
    });
  });

  it('is split by time, and cold users and items come only after train', () => {
    const { start, day, validDay, testDay, endDay } = demoConstants;
    const { train, valid, test } = dataset.splits;
    const within = (times: Float64Array, from: number, to: number) =>
      times.every((time) => time >= start + from * day && time < start + to * day);
    expect(within(train.timestamp, 0, validDay)).toBe(true);
    expect(within(valid.timestamp, validDay, testDay)).toBe(true);
    expect(within(test.timestamp, testDay, endDay)).toBe(true);
    const trainUsers = new Set(train.user);
    const trainItems = new Set(train.item);
    const coldShare = (ids: Int32Array, known: Set<number>) => ids.filter((id) => !known.has(id)).length / ids.length;
    expect(coldShare(valid.user, trainUsers)).toBeCloseTo(0.0054, 4);
    expect(coldShare(valid.item, trainItems)).toBeCloseTo(0.498, 3);
    expect(coldShare(test.user, trainUsers)).toBeCloseTo(0.0149, 4);
    expect(coldShare(test.item, trainItems)).toBeCloseTo(0.658, 3);
    for (const [index, user] of world.users.entries()) {
      expect(trainUsers.has(dataset.users.indexOf(user.id)), user.id).toBe(index < demoConstants.warmUsers);
    }
  });

  it('shows nobody an item twice or before its release, and some items far more than others', () => {
    const pairs = new Set(world.events.map(({ user, item }) => user * world.items.length + item));
    expect(pairs.size).toBe(world.events.length);
    const rows = new Map<number, number>();
    const early = world.events.filter(({ item, timestamp }) => {
      rows.set(item, (rows.get(item) ?? 0) + 1);
      return timestamp < demoConstants.start + (world.items[item]?.released as number) * demoConstants.day;
    });
    expect(early).toEqual([]);
    const counts = [...rows.values()].sort((a, b) => b - a);
    const tenth = counts.slice(0, 150).reduce((sum, count) => sum + count, 0);
    expect(tenth / world.events.length).toBeCloseTo(0.401, 3);
  });

  it('has distinct titles of three words from a vocabulary of 89', () => {
    const titles = dataset.items.slice(1).map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    for (const title of titles) expect(title).toMatch(/^The [A-Z][a-z]+ [A-Z][a-z]+$/);
    expect(new Set(titles.flatMap((title) => title.split(' '))).size).toBe(89);
  });

  it('is prepared without a source and opens as it was', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crossgate-demo-'));
    try {
      await prepareDataset('demo', { out: join(folder, 'demo') });
      const opened = await openDataset(join(folder, 'demo'), { verify: true });
      expect(opened.hash).toBe(hash);
      const again = demoOracles(opened).test.full;
      expect(again.length).toBe(dataset.splits.test.rows);
      expect(again.every((score, row) => score === oracles.test.full[row])).toBe(true);
      const missing = prepareDataset('ml-1m', { out: join(folder, 'ml-1m') });
      await expect(missing).rejects.toMatchObject({ name: 'InputError', message: expect.stringMatching(/--source/) });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('the two parts of taste', () => {
  it('are independent: titles say nothing about circles or biases, of items and of users', () => {
    for (const set of [
      world.items.map(({ meaning, circle, bias }) => ({ seen: meaning, circle, bias })),
      world.users.map(({ taste, circle, bias }) => ({ seen: taste, circle, bias })),
    ]) {
      for (const axis of [0, 1] as const) {
        const seen = set.map((entry) => entry.seen[axis]);
        // Three standard deviations of the correlation of so many independent pairs.
        const limit = 3 / Math.sqrt(set.length);
        for (const other of [0, 1] as const) {
          expect(
            Math.abs(
              correlation(
                seen,
                set.map(({ circle }) => circle[other]),
              ),
            ),
          ).toBeLessThan(limit);
        }
        expect(
          Math.abs(
            correlation(
              seen,
              set.map(({ bias }) => bias),
            ),
          ),
        ).toBeLessThan(limit);
      }
    }
  });

  it('weigh as documented and do not go together in the rows', () => {
    const logits = world.events.map(({ user, item }) =>
      demoLogit(world.users[user] as (typeof world.users)[number], world.items[item] as (typeof world.items)[number]),
    );
    const titles = logits.map(({ title }) => title);
    const circles = logits.map(({ circle }) => circle);
    expect(Math.abs(correlation(titles, circles))).toBeLessThan(0.02);
    const deviation = (values: number[]) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation(titles)).toBeCloseTo(1.21, 2);
    expect(deviation(circles)).toBeCloseTo(0.975, 3);
  });
});

describe('oracles', () => {
  const known: Record<'valid' | 'test', Record<keyof DemoOracleScores, readonly [auc: number, uauc: number]>> = {
    valid: {
      biases: [0.5531, 0.5423],
      titles: [0.7414, 0.7396],
      cooccurrence: [0.7074, 0.7059],
      full: [0.8255, 0.8251],
    },
    test: {
      biases: [0.5544, 0.5337],
      titles: [0.7423, 0.7421],
      cooccurrence: [0.7058, 0.7027],
      full: [0.8253, 0.8248],
    },
  };

  it.each(['valid', 'test'] as const)('reach the documented AUC and UAUC on %s', (split) => {
    const { label } = dataset.splits[split];
    for (const [name, [area, perUser]] of Object.entries(known[split])) {
      const score = oracles[split][name as keyof DemoOracleScores];
      expect(auc(label, score), name).toBeCloseTo(area, 4);
      expect(uauc(split, score), name).toBeCloseTo(perUser, 4);
    }
  });

  it('know the chance that labels were drawn with', () => {
    const { label, rows } = dataset.splits.train;
    const bins = Array.from({ length: 10 }, () => ({ rows: 0, likes: 0, chance: 0 }));
    for (let row = 0; row < rows; row++) {
      const chance = logistic(oracles.train.full[row] as number);
      const bin = bins[Math.floor(chance * 10)] as (typeof bins)[number];
      bin.rows++;
      bin.likes += label[row] as number;
      bin.chance += chance;
    }
    for (const bin of bins) {
      const deviation = Math.sqrt(bin.chance * (1 - bin.chance / bin.rows));
      expect(Math.abs(bin.likes - bin.chance)).toBeLessThan(4 * deviation);
    }
  });

  it('refuse another data set and another version', async () => {
    const events = { user: [1], item: [1], label: [1], timestamp: [1], split: [0] };
    const other = (name: string, version: number) =>
      assembleDataset({
        name,
        recipe: { name, version },
        events,
        userId: () => 'nobody',
        itemOf: () => ({ id: '1', title: 'The Quiet Harbor' }),
      });
    expect.assertions(3);
    for (const [name, version, message] of [
      ['ml-1m', 1, /not ml-1m/],
      ['demo', 99, /version 99/],
      ['demo', demoConstants.version, /no user "nobody"/],
    ] as const) {
      const wrong = await other(name, version);
      expect(() => demoOracles(wrong, world)).toThrow(message);
    }
  });
});

describe('arithmetic', () => {
  it('computes the logistic function to 2e-13', () => {
    for (let x = -64; x <= 64; x += 0.37) {
      const exact = 1 / (1 + Math.exp(-x));
      expect(Math.abs(logistic(x) / exact - 1), String(x)).toBeLessThan(2e-13);
    }
    expect(logistic(0)).toBe(0.5);
  });

  it('draws with the moments it promises', () => {
    const random = new RandomStream(7);
    const normal = Array.from({ length: 20_000 }, () => nearlyNormal(random));
    const mean = normal.reduce((sum, value) => sum + value, 0) / normal.length;
    const variance = normal.reduce((sum, value) => sum + value * value, 0) / normal.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    const even = Array.from({ length: 20_000 }, () => uniform(random));
    expect(even.every((value) => value > 0 && value < 1)).toBe(true);
    expect(Math.abs(even.reduce((sum, value) => sum + value, 0) / even.length - 0.5)).toBeLessThan(0.01);
  });

  it('cannot be changed by accident', () => {
    expect(Object.isFrozen(demoConstants)).toBe(true);
    expect(Object.isFrozen(demoConstants.moods[0]?.[1])).toBe(true);
    expect(Object.isFrozen(demoConstants.circles[3])).toBe(true);
  });
});
