/** A small generated click world for tests, and matrix factorization on it in float64. */
import type { Device } from '@crossgate/gpu';
import { learningRateAt } from '@crossgate/tensor';
import { type AdamState, adamState, adamStep, logistic, softplus } from '@crossgate/testing';
import { type CfTrainerOptions, type ClickColumns, epochOrder, MatrixFactorization } from '../src';

export const userCount = 9;
export const itemCount = 13;
/** User 4 and items 2 and 13 have no train rows. */
const unseenUsers = [4];
const unseenItems = [2, 13];

function flags(count: number, unseen: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: count + 1 }, (_, id) => (id === 0 || unseen.includes(id) ? 0 : 1));
}
export const userSeen = flags(userCount, unseenUsers);
export const itemSeen = flags(itemCount, unseenItems);

/** Rows over seen ids, repeats among them, with labels that follow a pattern. */
export function clicks(rows: number, seed: number, seenOnly = true): ClickColumns {
  const draw = (stream: number, count: number, seen: Uint8Array) =>
    Int32Array.from({ length: rows }, (_, row) => {
      let id = 1 + (((row + 1) * (seed + stream) * 7919 + row * row * 31) % count);
      while (seenOnly && seen[id] === 0) id = 1 + (id % count);
      return id;
    });
  const user = draw(1, userCount, userSeen);
  const item = draw(2, itemCount, itemSeen);
  return { rows, user, item, label: Uint8Array.from({ length: rows }, (_, row) => (user[row]! + item[row]!) % 2) };
}

/** A model of the toy world; the width is not a multiple of 4, so that padded strides would show. */
export function toyModel(device: Device, seed: number, initStd = 0.5, cfDim = 6): MatrixFactorization {
  return MatrixFactorization.create(device, { userSeen, itemSeen, cfDim, initStd, seed });
}

/** Tables in one vector: users first. */
export interface Tables {
  readonly cfDim: number;
  readonly values: Float64Array;
}

/** Mean binary cross entropy of some rows and its gradient with respect to both tables, in float64. */
export function lossAndGradient({ cfDim, values }: Tables, { user, item, label }: ClickColumns, rows: Int32Array) {
  const gradient = new Float64Array(values.length);
  let loss = 0;
  for (const row of rows) {
    const u = user[row]! * cfDim;
    const i = (userCount + 1 + item[row]!) * cfDim;
    let logit = 0;
    for (let c = 0; c < cfDim; c++) logit += values[u + c]! * values[i + c]!;
    loss += softplus(logit) - label[row]! * logit;
    const difference = (logistic(logit) - label[row]!) / rows.length;
    for (let c = 0; c < cfDim; c++) {
      gradient[u + c]! += difference * values[i + c]!;
      gradient[i + c]! += difference * values[u + c]!;
    }
  }
  return { loss: loss / rows.length, gradient };
}

/** What the trainer should arrive at, in float64. */
export function simulate(start: Tables, train: ClickColumns, options: CfTrainerOptions, epochs: number): Float64Array {
  let state: AdamState = adamState(start.values);
  let step = 0;
  const totalSteps = options.epochs * Math.ceil(train.rows / options.batchSize);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = epochOrder(train.rows, options.seed, epoch);
    for (let first = 0; first < order.length; first += options.batchSize) {
      const rows = order.slice(first, first + options.batchSize);
      const { gradient } = lossAndGradient({ cfDim: start.cfDim, values: state.value }, train, rows);
      const learningRate = learningRateAt(step++, { ...options, totalSteps });
      state = adamStep(state, gradient, { ...options, learningRate });
    }
  }
  return state.value;
}

/** Both tables of a model in one float64 vector. */
export async function tablesOf(model: MatrixFactorization): Promise<Tables> {
  const { users, items } = await model.exportEmbeddings();
  return { cfDim: model.cfDim, values: Float64Array.from([...users, ...items]) };
}
