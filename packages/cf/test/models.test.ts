/** LightGCN, SASRec and MF with biases: logits and the gradients of every loss against float64, states, refusals. */
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { Adam, encodeState, memorySource, parseState, readGroup, Tape, tidy, writeGroup } from '@crossgate/tensor';
import * as reference from '@crossgate/testing';
import { expectClose, finiteDifference, logistic, softplus } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type CfLoss,
  type CfModel,
  CfTrainer,
  cfLosses,
  cfModelFromState,
  LightGcn,
  MatrixFactorization,
  SasRec,
  sasRecShapes,
} from '../src';
import { cfLoss } from '../src/losses';
import { clicks, itemCount, itemSeen, userSeen } from './toy';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const cfDim = 6;
const rows = clicks(17, 5);
const seen = { userSeen, itemSeen };
const seenItems = [...itemSeen.keys()].filter((item) => itemSeen[item] === 1);
const negatives = Uint32Array.from(rows.item, (item) => seenItems[(seenItems.indexOf(item) + 3) % seenItems.length]!);
/** Lengths 0 to 6 of a window of 4, so that some are empty and some are cut. */
const history = (row: number) =>
  Int32Array.from({ length: row % 7 }, (_, j) => seenItems[(row * 5 + j * 3) % seenItems.length]!);
const histories = Array.from({ length: rows.rows }, (_, row) => history(row));

const positive = [...rows.label.keys()].filter((row) => rows.label[row] === 1);
const graph = {
  user: Int32Array.from(positive, (row) => rows.user[row]!),
  item: Int32Array.from(positive, (row) => rows.item[row]!),
};

type Values = Map<string, reference.Reference>;
/** Users' vectors per row, all items' vectors, and what is added to a logit, in float64. */
interface Scored {
  readonly user: reference.Reference;
  readonly items: reference.Reference;
  readonly bias?: (row: number, item: number) => number;
}
const rowOf = (table: reference.Reference, row: number) => table.data.subarray(row * cfDim, (row + 1) * cfDim);

function factorized(values: Values): Scored {
  const bias = (name: string, id: number) => values.get(`${name}.weight`)!.data[id]!;
  return {
    user: reference.gatherRows(values.get('user_embedding.weight')!, rows.user),
    items: values.get('item_embedding.weight')!,
    bias: (row, item) => bias('user_bias', rows.user[row]!) + bias('item_bias', item) + bias('bias', 0),
  };
}

const layers = 3;
function propagated(values: Values): Scored {
  const edges = [...new Map(positive.map((row) => [`${rows.user[row]}-${rows.item[row]}`, row])).values()];
  const degree = (column: Int32Array, id: number) => edges.filter((row) => column[row] === id).length;
  let [user, item] = [values.get('user_embedding.weight')!, values.get('item_embedding.weight')!];
  let [userSum, itemSum] = [user, item];
  for (let layer = 0; layer < layers; layer++) {
    const [nextUser, nextItem] = [reference.zeros(user.shape), reference.zeros(item.shape)];
    for (const row of edges) {
      const [u, i] = [rows.user[row]!, rows.item[row]!];
      const weight = 1 / Math.sqrt(degree(rows.user, u) * degree(rows.item, i));
      for (let c = 0; c < cfDim; c++) {
        nextUser.data[u * cfDim + c]! += weight * item.data[i * cfDim + c]!;
        nextItem.data[i * cfDim + c]! += weight * user.data[u * cfDim + c]!;
      }
    }
    [user, item] = [nextUser, nextItem];
    [userSum, itemSum] = [reference.add(userSum, user), reference.add(itemSum, item)];
  }
  const share = 1 / (layers + 1);
  return {
    user: reference.gatherRows(reference.scale(userSum, share), rows.user),
    items: reference.scale(itemSum, share),
  };
}

const shape = { cfDim, historyLength: 4, blocks: 2, heads: 2 };
/** SASRec one history at a time, as a loop over queries and keys. */
const sequential =
  (norm: 'pre' | 'post') =>
  (values: Values): Scored => {
    const get = (name: string) => values.get(name)!;
    const items = get('item_embedding.weight');
    const user = reference.zeros([rows.rows, cfDim]);
    const normalize = (x: reference.Reference, name: string) =>
      reference.layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), 1e-8);
    const layer = (x: reference.Reference, name: string) =>
      reference.linear(x, get(`${name}.weight`), get(`${name}.bias`));
    histories.forEach((whole, row) => {
      const window = whole.slice(-shape.historyLength);
      if (window.length === 0) return;
      const places = window.map((_, j) => shape.historyLength - window.length + j);
      let x = reference.add(
        reference.scale(reference.gatherRows(items, window), Math.sqrt(cfDim)),
        reference.gatherRows(get('position_embedding.weight'), places),
      );
      const residual = (name: string, sublayer: (x: reference.Reference) => reference.Reference) => {
        x =
          norm === 'pre'
            ? reference.add(x, sublayer(normalize(x, name)))
            : normalize(reference.add(x, sublayer(x)), name);
      };
      for (let block = 0; block < shape.blocks; block++) {
        residual(`blocks.${block}.attention_norm`, (input) => {
          const [q, k, v] = ['query', 'key', 'value'].map((name) => layer(input, `blocks.${block}.${name}`)) as [
            reference.Reference,
            reference.Reference,
            reference.Reference,
          ];
          const out = reference.zeros(q.shape);
          const width = cfDim / shape.heads;
          for (let head = 0; head < shape.heads; head++) {
            for (let t = 0; t < window.length; t++) {
              const weights = Array.from({ length: t + 1 }, (_, s) => {
                let score = 0;
                for (let c = head * width; c < (head + 1) * width; c++) {
                  score += q.data[t * cfDim + c]! * k.data[s * cfDim + c]!;
                }
                return Math.exp(score / Math.sqrt(width));
              });
              const sum = weights.reduce((a, b) => a + b, 0);
              for (let c = head * width; c < (head + 1) * width; c++) {
                for (let s = 0; s <= t; s++) out.data[t * cfDim + c]! += (weights[s]! / sum) * v.data[s * cfDim + c]!;
              }
            }
          }
          return layer(out, `blocks.${block}.output`);
        });
        residual(`blocks.${block}.feed_forward_norm`, (input) =>
          layer(
            reference.relu(layer(input, `blocks.${block}.feed_forward.input`)),
            `blocks.${block}.feed_forward.output`,
          ),
        );
      }
      user.data.set(rowOf(normalize(x, 'final_norm'), window.length - 1), row * cfDim);
    });
    return { user, items };
  };

function lossOf({ user, items, bias }: Scored, loss: CfLoss): number {
  const logit = (row: number, item: number) => {
    const [a, b] = [rowOf(user, row), rowOf(items, item)];
    return a.reduce((sum, value, c) => sum + value * b[c]!, bias?.(row, item) ?? 0);
  };
  let sum = 0;
  for (let row = 0; row < rows.rows; row++) {
    const z = logit(row, rows.item[row]!);
    const n = logit(row, negatives[row]!);
    if (loss === 'bce') sum += softplus(z) - rows.label[row]! * z;
    if (loss === 'sampled-bce') sum += softplus(-z) + softplus(n);
    if (loss === 'bpr') sum -= Math.log(logistic(z - n));
    if (loss === 'softmax') sum += Math.log(seenItems.reduce((all, item) => all + Math.exp(logit(row, item)), 0)) - z;
  }
  return sum / rows.rows;
}

const models: { name: string; create: () => CfModel; forward: (values: Values) => Scored }[] = [
  {
    name: 'MF with biases',
    create: () => MatrixFactorization.create(device, { ...seen, cfDim, initStd: 0.5, biases: true, seed: 3 }),
    forward: factorized,
  },
  {
    name: 'LightGCN',
    create: () => LightGcn.create(device, { ...seen, cfDim, layers, graph, initStd: 0.8, seed: 4 }),
    forward: propagated,
  },
  ...(['pre', 'post'] as const).map((norm) => ({
    name: `SASRec, ${norm}-norm`,
    create: () => SasRec.create(device, { ...seen, ...shape, norm, dropout: 0, initStd: 0.5, seed: 5 }),
    forward: sequential(norm),
  })),
];

describe.each(models)('$name', ({ create, forward }) => {
  it.each(cfLosses)('has the value and the gradients of float64 under %s', async (loss) => {
    const model = create();
    const values: Values = new Map();
    for (const [name, { shape: of, data }] of await readGroup(model.group))
      values.set(name, reference.reference(of, data));
    model.group.trainable = true;
    const step = device.step();
    model.group.zeroGradients();
    const tape = new Tape();
    const batch = {
      users: { users: Uint32Array.from(rows.user), histories },
      items: Uint32Array.from(rows.item),
      labels: Float32Array.from(rows.label),
      negatives,
    };
    const parts = tape.record(() => cfLoss(model, loss, batch));
    const losses = await Promise.all(parts.map((part) => part.read()));
    tape.backward();
    const gradients = await Promise.all(
      model.group.parameters.map(async ({ gradient }) => new Float32Array(await device.recorder.read(gradient))),
    );
    step.end();
    const total = losses.flatMap((part) => [...part]).reduce((a, b) => a + b, 0);
    expect(total / rows.rows).toBeCloseTo(lossOf(forward(values), loss), 4);
    model.group.parameters.forEach(({ name }, p) => {
      const at = values.get(name)!;
      // Every seventh value: finite differences of whole tables would take the better part of a minute.
      const indices = [...at.data.keys()].filter((i) => at.data.length < 20 || i % 7 === 0);
      const f = (data: Float64Array) => lossOf(forward(new Map(values).set(name, { shape: at.shape, data })), loss);
      const expected = finiteDifference(f, at.data, indices);
      const ours = indices.map((i) => gradients[p]![i]!);
      const unseen = name === 'item_embedding.weight' ? itemSeen : name === 'user_embedding.weight' ? userSeen : null;
      // Rows of unseen ids must get exactly nothing; the reference would move padding under no loss either.
      indices.forEach((i, n) => {
        if (unseen?.[Math.floor(i / cfDim)] === 0) expect(ours[n]).toBe(0);
      });
      expectClose(ours, expected, { relative: 2e-3, absolute: 2e-5, label: `${loss}: ${name}` });
    });
    model.release();
    expect(device.memory.report().persistent).toEqual({});
  });

  it('scores pairs as float64 does, the same from a saved state', async () => {
    const model = create();
    const values: Values = new Map();
    for (const [name, { shape: of, data }] of await readGroup(model.group))
      values.set(name, reference.reference(of, data));
    const scores = await model.scorePairs(rows.user, rows.item, history);
    const { user, items, bias } = forward(values);
    const expected = Float64Array.from(rows.item, (item, row) =>
      rowOf(user, row).reduce((sum, value, c) => sum + value * rowOf(items, item)[c]!, bias?.(row, item) ?? 0),
    );
    expectClose(scores, expected, { relative: 1e-4, absolute: 1e-5 });
    const parts: Uint8Array[] = [];
    for await (const part of encodeState(await model.state())) parts.push(part.slice());
    const { state } = await parseState(memorySource('cf.safetensors', Buffer.concat(parts)));
    const again = cfModelFromState(device, state, 'cf.safetensors');
    expect(again.name).toBe(model.name);
    expect(await again.scorePairs(rows.user, rows.item, history)).toEqual(scores);
    model.release();
    again.release();
  });

  it('learns its rows, under every loss, and goes on from a state to the same bits', async () => {
    for (const loss of cfLosses) {
      const data = {
        train: rows,
        valid: rows,
        history: (_: string, row: number, limit: number) => history(row).slice(-limit),
      };
      const options = {
        learningRate: 0.03,
        weightDecay: 0,
        batchSize: 6,
        patience: 99,
        warmupEpochs: 0,
        seed: 1,
        loss,
      };
      const model = create();
      const trainer = new CfTrainer(model, data, { ...options, epochs: 8 });
      const losses: number[] = [];
      for (let epoch = 0; epoch < 4; epoch++) losses.push((await trainer.runEpoch()).loss);
      const middle = await trainer.state();
      for (let epoch = 0; epoch < 4; epoch++) losses.push((await trainer.runEpoch()).loss);
      expect(losses.at(-1), loss).toBeLessThan(0.9 * losses[0]!);
      const other = create();
      const resumed = new CfTrainer(other, data, { ...options, epochs: 8 });
      resumed.restore(middle, 'middle');
      const rest: number[] = [];
      for (let epoch = 0; epoch < 4; epoch++) rest.push((await resumed.runEpoch()).loss);
      expect(rest, loss).toEqual(losses.slice(4));
      for (const each of [trainer, resumed, model, other]) each.release();
    }
  });
});

describe('SASRec', () => {
  it('sees only its own history, whatever lies beside it, and zero without one', async () => {
    const model = SasRec.create(device, { ...seen, ...shape, norm: 'post', dropout: 0, initStd: 0.5, seed: 5 });
    using _ = device.step();
    const all = await model.userVectors(Uint32Array.from(rows.user), histories).read();
    for (const row of [1, 4, 6, 13]) {
      const alone = await model.userVectors(Uint32Array.of(1), [histories[row]!]).read();
      expectClose(all.subarray(row * cfDim, (row + 1) * cfDim), alone, { relative: 1e-5, absolute: 1e-6 });
    }
    expect([...all.subarray(0, cfDim)]).toEqual(new Array(cfDim).fill(0));
    expect([...(await model.userVectors(Uint32Array.of(1), [new Int32Array(0)]).read())]).toEqual([0, 0, 0, 0, 0, 0]);
    // Neighbors that share an array are computed once.
    const [long, short] = [histories[6]!, histories[4]!];
    const shared = [long, long, new Int32Array(0), long.slice(), short, short, short.subarray(1), long];
    const vectors = (of: Int32Array[]) => model.userVectors(new Uint32Array(of.length).fill(1), of).read();
    const copied = await vectors(shared.map((history) => history.slice()));
    expectClose(await vectors(shared), copied, { relative: 1e-5, absolute: 1e-6 });
    model.release();
  });

  it('drops while it trains, by seed and step, and not when it scores', async () => {
    const model = SasRec.create(device, { ...seen, ...shape, norm: 'pre', dropout: 0.4, initStd: 0.5, seed: 5 });
    const batch = { users: Uint32Array.of(1, 2), histories: [histories[5]!, histories[6]!] };
    using _ = device.step();
    const items = Uint32Array.of(1, 3);
    const read = (counter?: number) =>
      model
        .scorer({ ...batch, ...(counter !== undefined && { dropout: { seed: 1, counter } }) })
        .logits(items)
        .read();
    const [plain, one, again, two] = [await read(), await read(1), await read(1), await read(2)];
    expect(again).toEqual(one);
    expect(one).not.toEqual(plain);
    expect(two).not.toEqual(one);
    expect(await read()).toEqual(plain);
    model.release();
  });

  it('tells the shapes of its parameters beforehand', () => {
    const model = SasRec.create(device, { ...seen, ...shape, norm: 'pre', dropout: 0, seed: 5 });
    const shapes = model.group.parameters.map((parameter) => [parameter.name, parameter.shape] as const);
    expect(new Map(shapes)).toEqual(sasRecShapes(itemCount, { ...shape, norm: 'pre' }));
    model.release();
  });

  it('refuses what it cannot read', async () => {
    const options = { ...seen, ...shape, norm: 'pre' as const, dropout: 0, seed: 5 };
    expect(() => SasRec.create(device, { ...options, heads: 4 })).toThrow(/heads 4 must divide cfDim 6/);
    expect(() => SasRec.create(device, { ...options, dropout: 1 })).toThrow(/dropout 1/);
    const model = SasRec.create(device, options);
    await expect(model.scorePairs([1], [1])).rejects.toThrow(/reads histories/);
    const train = {
      ...{ learningRate: 1, weightDecay: 0, batchSize: 1, epochs: 1 },
      patience: 1,
      warmupEpochs: 0,
      seed: 1,
    };
    expect(() => new CfTrainer(model, { train: rows, valid: rows }, train)).toThrow(/sasrec needs histories/);
    const state = await model.state();
    state.set('final_norm.bias', { shape: [2], data: new Float32Array(2) });
    expect(() => cfModelFromState(device, state, 'x')).toThrow(/x: "final_norm.bias" has shape \[2\], expected \[6\]/);
    model.release();
  });
});

describe('LightGCN', () => {
  it('gives zero to what was never seen, counts an edge once, and refuses an edge of the unseen', async () => {
    const twice = { user: [...graph.user, graph.user[0]!], item: [...graph.item, graph.item[0]!] };
    const options = { ...seen, cfDim, layers: 2, seed: 4 };
    const [model, doubled] = [
      LightGcn.create(device, { ...options, graph }),
      LightGcn.create(device, { ...options, graph: twice }),
    ];
    const { users, items } = await model.exportEmbeddings();
    expect(await doubled.exportEmbeddings()).toEqual(await model.exportEmbeddings());
    for (const [table, flags] of [
      [users, userSeen],
      [items, itemSeen],
    ] as const) {
      flags.forEach((flag, id) => {
        expect(table.subarray(id * cfDim, (id + 1) * cfDim).every((value) => value === 0)).toBe(flag === 0);
      });
    }
    const wrong = { user: [1], item: [itemCount] };
    expect(() => LightGcn.create(device, { ...options, graph: wrong })).toThrow(
      /edge 0 \(user 1, item 13\) has an end/,
    );
    model.release();
    doubled.release();
    expect(device.memory.report().persistent).toEqual({});
  });

  it('propagates once for all vectors, and again when the parameters have changed', async () => {
    const model = LightGcn.create(device, { ...seen, cfDim, layers: 2, graph, initStd: 0.5, seed: 4 });
    const dispatch = vi.spyOn(device.recorder, 'dispatch');
    const propagations = () => {
      const count = dispatch.mock.calls.filter(([kernel]) =>
        kernel.declaration.name.startsWith('sparse-propagation'),
      ).length;
      dispatch.mockClear();
      return count;
    };
    const [users, items] = [Uint32Array.of(1, 2), Uint32Array.of(3, 1)];
    const vectors = async () => {
      using _ = device.step();
      return [await model.userVectors(users).read(), await model.itemVectors(items).read()];
    };
    const before = await vectors();
    expect(propagations()).toBe(4);
    expect(await vectors()).toEqual(before);
    expect(propagations()).toBe(0);

    const adam = new Adam([model.group], { kind: 'adam', learningRate: 0.1 });
    const train = () => {
      using _ = device.step();
      using tape = new Tape();
      model.group.zeroGradients();
      // Scopes of their own: the tables must outlive the one they were made in.
      const parts = tape.record(() => [
        tidy(device, () => model.userVectors(users)),
        tidy(device, () => model.itemVectors(items)),
      ]);
      expect(propagations()).toBe(4);
      tape.backward(parts.map((part) => [part, part] as const));
      expect(propagations()).toBe(4);
      adam.step();
    };
    model.group.trainable = true;
    train();
    train();
    const state = await model.state();
    const after = await vectors();
    expect(propagations()).toBe(4);
    expect(after).not.toEqual(before);
    const fresh = LightGcn.fromState(device, state, 'state');
    using _ = device.step();
    expect(await fresh.userVectors(users).read()).toEqual(after[0]);
    const { shape: of, data } = state.get('user_embedding.weight')!;
    writeGroup(fresh.group, state.set('user_embedding.weight', { shape: of, data: data.map((x) => -x) }), 'state');
    expect(await fresh.userVectors(users).read()).not.toEqual(after[0]);

    dispatch.mockRestore();
    for (const owner of [adam, model, fresh]) owner.release();
    expect(device.memory.report().persistent).toEqual({});
  });
});
