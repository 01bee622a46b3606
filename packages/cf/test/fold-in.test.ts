import { openDevice } from '@crossgate/gpu/node';
import { softplus } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import {
  AsymmetricSvd,
  type CfLoss,
  CfTrainer,
  cfLosses,
  clickHistories,
  foldIn,
  LightGcn,
  MatrixFactorization,
} from '../src';
import { smallDataset } from './small-dataset';

const width = 3;
/** 40 items with features that are no simple pattern, and offsets. */
const features = Float32Array.from({ length: 41 * width }, (_, at) => (at < width ? 0 : Math.sin(at * at + 1)));
const offset = (item: number) => Math.cos(item) / 2;
const prior = { start: Float64Array.of(0.2, -0.1, 0), decay: Float64Array.of(0.5, 1, 2) };
const pool = Int32Array.from({ length: 40 }, (_, at) => at + 1);
const [liked, disliked] = [
  [3, 8, 21],
  [5, 13],
];

/** The losses as the declaration of `foldIn` states them. */
function lossAt(loss: CfLoss, x: ArrayLike<number>): number {
  const z = (item: number) =>
    offset(item) + Array.from({ length: width }, (_, c) => features[item * width + c]! * x[c]!).reduce((a, b) => a + b);
  const others = [...pool].filter((item) => !liked.includes(item));
  const mean = (of: (item: number) => number) => others.reduce((sum, item) => sum + of(item), 0) / others.length;
  const sum = (items: readonly number[], of: (item: number) => number) =>
    items.reduce((total, item) => total + of(item), 0);
  const pull = prior.start.reduce((total, start, c) => total + (prior.decay[c]! / 2) * (x[c]! - start) ** 2, 0);
  const logTotal = () => Math.log(sum([...pool], (item) => Math.exp(z(item))));
  const of: Record<CfLoss, () => number> = {
    bce: () => sum(liked, (item) => softplus(-z(item))) + sum(disliked, (item) => softplus(z(item))),
    'sampled-bce': () => sum(liked, (item) => softplus(-z(item)) + mean((other) => softplus(z(other)))),
    bpr: () => sum(liked, (item) => mean((other) => softplus(z(other) - z(item)))),
    softmax: () => sum(liked, (item) => logTotal() - z(item)),
  };
  return of[loss]() + pull;
}

describe('foldIn', () => {
  it.each(cfLosses)('finds the least %s with its decay', (loss) => {
    const x = foldIn({ loss, prior, features, offset, pool, liked, disliked })!;
    const least = lossAt(loss, x);
    for (let c = 0; c < width; c++) {
      for (const step of [1e-3, -1e-3]) {
        const moved = x.map((value, at) => (at === c ? value + step : value));
        // At the least point the slope is zero: what a step adds is of second order, and above zero.
        const more = lossAt(loss, moved) - least;
        expect(more, `${c} ${step}`).toBeGreaterThan(0);
        expect(more, `${c} ${step}`).toBeLessThan(2e-5);
      }
    }
  });

  it('solves the system of the rows where these are fewer than the parameters', () => {
    const x = foldIn({ loss: 'bce', prior, features, offset, pool, liked: [3], disliked: [5] })!;
    const pulled = (at: ArrayLike<number>) => {
      const z = (item: number) =>
        prior.start.reduce((sum, _, c) => sum + features[item * width + c]! * at[c]!, offset(item));
      return prior.start.reduce(
        (sum, start, c) => sum + (prior.decay[c]! / 2) * (at[c]! - start) ** 2,
        softplus(-z(3)) + softplus(z(5)),
      );
    };
    for (let c = 0; c < width; c++) {
      for (const step of [1e-3, -1e-3]) {
        const more = pulled(x.map((value, at) => (at === c ? value + step : value))) - pulled(x);
        expect(more, `${c} ${step}`).toBeGreaterThan(0);
        expect(more, `${c} ${step}`).toBeLessThan(2e-6);
      }
    }
  });

  it('is null where the loss reads nothing', () => {
    const only = { prior, features, offset, pool, liked: [], disliked };
    expect(foldIn({ loss: 'bpr', ...only })).toBeNull();
    expect(foldIn({ loss: 'bce', ...only })).not.toBeNull();
    expect(foldIn({ loss: 'bce', ...only, disliked: [] })).toBeNull();
    const all = { prior, features, offset, pool: pool.slice(0, 2), liked: [1, 2], disliked: [] };
    expect(foldIn({ loss: 'bpr', ...all })).toBeNull();
  });
});

describe('folded-in users', () => {
  /** 60 users of two kinds, each with 14 of 30 items; users of a kind like the same third of the items. */
  const clicks = Array.from({ length: 60 * 14 }, (_, n) => {
    const user = 1 + (n % 60);
    const item = 1 + ((user * 7 + Math.floor(n / 60) * 11) % 30);
    // One label in nine is not what the kind says.
    const likes = (item + user) % 2 === 0;
    return { user, item, label: (user * item) % 9 === 0 ? 1 - Number(likes) : Number(likes), isTest: n >= 60 * 10 };
  });
  const columns = (rows: typeof clicks) => ({
    rows: rows.length,
    user: Int32Array.from(rows, ({ user }) => user),
    item: Int32Array.from(rows, ({ item }) => item),
    label: Uint8Array.from(rows, ({ label }) => label),
  });
  const heldOut = (user: number) => user % 4 === 0;
  const train = columns(clicks.filter(({ user, isTest }) => !isTest && !heldOut(user)));
  const flags = (count: number, ids: Int32Array) => {
    const seen = new Uint8Array(count + 1);
    for (const id of ids) seen[id] = 1;
    return seen;
  };
  const seen = { userSeen: flags(60, train.user), itemSeen: flags(30, train.item) };

  it.each(['mf', 'lightgcn'] as const)('of %s rank as trained users do', async (name) => {
    await using device = await openDevice();
    const common = { ...seen, cfDim: 4, initStd: 0.1, seed: 1 };
    const graph = {
      user: train.user.filter((_, row) => train.label[row] === 1),
      item: train.item.filter((_, row) => train.label[row] === 1),
    };
    const model =
      name === 'mf'
        ? MatrixFactorization.create(device, { ...common, biases: true })
        : LightGcn.create(device, { ...common, layers: 2, graph });
    const settings = { learningRate: 0.03, weightDecay: 1e-3, batchSize: 100, epochs: 30, seed: 1 };
    const trainer = new CfTrainer(model, { train, valid: columns([]) }, { ...settings, patience: 30, warmupEpochs: 0 });
    await trainer.run();
    trainer.release();
    const { users, items } = await model.exportEmbeddings();
    const folding = await model.userFolding({ loss: 'bce', decay: 1e-3 * train.rows });
    /** Share of test pairs, a like and a dislike of one user, that are in order. */
    const accuracy = (isOurs: (user: number) => boolean, vectorOf: (user: number) => Float32Array) => {
      let [right, all] = [0, 0];
      for (let user = 1; user <= 60; user++) {
        if (!isOurs(user)) continue;
        const own = clicks.filter((click) => click.user === user && click.isTest);
        const vector = vectorOf(user);
        const score = (item: number) => vector.reduce((sum, value, c) => sum + value * items[item * 4 + c]!, 0);
        for (const like of own.filter(({ label }) => label === 1)) {
          for (const other of own.filter(({ label }) => label === 0)) {
            all++;
            if (score(like.item) > score(other.item)) right++;
          }
        }
      }
      return right / all;
    };
    const fold = (user: number) => {
      const own = clicks.filter((click) => click.user === user && !click.isTest);
      const of = (label: number) => own.filter((click) => click.label === label).map(({ item }) => item);
      return folding.fold({ liked: of(1), disliked: of(0) })!.vector;
    };
    const trained = accuracy(
      (user) => !heldOut(user),
      (user) => users.subarray(user * 4, (user + 1) * 4),
    );
    expect(trained).toBeGreaterThan(0.7);
    expect(accuracy(heldOut, fold)).toBeGreaterThan(trained - 0.05);
    // The same user solved for ranks as the trained vector does.
    expect(accuracy((user) => !heldOut(user), fold)).toBeGreaterThan(trained - 0.05);
    expect(folding.fold({ liked: [], disliked: [] })).toBeNull();
    model.release();
  });

  it('of asymmetric SVD have the same vector on the host', async () => {
    await using device = await openDevice();
    const dataset = await smallDataset(
      clicks.slice(0, 400).map(({ user, item, label }, n) => [user, item, label, n, n < 300 ? 0 : 2] as const),
    );
    const { train: rows } = dataset.splits;
    const shape = { information: 'P', historyLength: 5, levelPrior: 3, levelUpdates: 'doublings' } as const;
    const [userSeen, itemSeen] = [flags(dataset.userCount, rows.user), flags(dataset.itemCount, rows.item)];
    const model = AsymmetricSvd.create(device, { ...shape, userSeen, itemSeen, cfDim: 6, train: rows, seed: 1 });
    const { latest } = clickHistories(dataset, 'P');
    for (const user of dataset.users.keys()) {
      if (user === 0) continue;
      using _ = device.step();
      const expected = await model.userVectors(Uint32Array.of(user), [latest(user, 5)]).read();
      const own = model.hostUserVector(latest(user, 5));
      for (const [c, value] of expected.entries()) expect(own[c]).toBeCloseTo(value, 5);
    }
    model.release();
  });
});
