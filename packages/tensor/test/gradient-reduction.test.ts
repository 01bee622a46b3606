// Sums over ranks during the backward pass: when gradients are final, the sum that one rank has, and the overlap itself.
import { type Collective, inProcess, RankLostError, shareOf } from '@crossgate/collective';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { expectClose, randomNormal } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bceWithLogits,
  checkpoint,
  embedding,
  empty,
  fromHost,
  GradientReduction,
  linear,
  ParameterGroup,
  record,
  relu,
  reshape,
  Tape,
  type Tensor,
} from '../src';

/** One device a rank, as in a job. */
let devices: Device[];
beforeAll(async () => {
  devices = await Promise.all(Array.from({ length: 3 }, () => openDevice()));
});
afterAll(async () => {
  await Promise.all(devices.map((device) => device.destroy()));
});

const width = 8;
/** One parameter of the tests fills a piece. */
const pieceBytes = 4 * width * width;

function weights(device: Device, names: readonly string[], seed = 1): ParameterGroup {
  const shape = [width, width];
  const group = new ParameterGroup(
    device,
    'test',
    names.map((name, i) => ({ name, shape, values: Float32Array.from(randomNormal(shape, seed + i, 0.5).data) })),
  );
  group.trainable = true;
  return group;
}

const read = async (device: Device, { gradient }: { gradient: ParameterGroup['sections'][number]['gradient'] }) =>
  new Float32Array(await device.recorder.read(gradient));

/** Rows of the batch that every rank sees whole. */
const inputs = Float32Array.from(randomNormal([6, width], 40).data);

/** The mean loss of some rows of a batch: layers by the names of their weights, then the sum of each row. */
function lossOf(
  group: ParameterGroup,
  layers: readonly string[],
  { start, end }: { start: number; end: number },
  of: number,
) {
  const { device } = group;
  const rows = end - start;
  let hidden: Tensor = fromHost(device, [rows, width], inputs.slice(start * width, end * width));
  for (const name of layers) hidden = relu(linear(hidden, group.get(name)));
  const ones = fromHost(device, [1, width], new Float32Array(width).fill(1));
  return bceWithLogits(reshape(linear(hidden, ones), [rows]), new Float32Array(rows).fill(1), 1 / of);
}

describe('gradients in parts', () => {
  it('come when nothing adds to them any more: shared weights, weights in checkpoints, a table in one', async () => {
    const device = devices[0]!;
    const group = weights(device, ['first', 'shared', 'table', 'inside', 'last', 'unused']);
    const get = (name: string) => group.get(name);
    const forward = () => {
      const body = (h: Tensor) => {
        const inner = (each: Tensor) => relu(linear(each, get('inside')));
        const rows = embedding(get('table'), Uint32Array.of(1, 1, 3));
        return relu(
          linear(
            linear(
              checkpoint(device, [h], (each) => inner(each!)),
              get('shared'),
            ),
            rows,
          ),
        );
      };
      let h: Tensor = fromHost(device, [6, width], inputs);
      h = relu(linear(h, get('first')));
      h = linear(h, get('shared'));
      const narrow = checkpoint(device, [h], (each) => body(each!));
      const wide = linear(narrow, fromHost(device, [width, 3], new Float32Array(3 * width).fill(0.3)));
      h = linear(linear(linear(wide, get('last')), get('table')), get('inside'));
      const ones = fromHost(device, [1, width], new Float32Array(width).fill(1));
      return bceWithLogits(reshape(linear(h, ones), [6]), new Float32Array(6).fill(1), 1 / 6);
    };
    const expected: Float32Array[] = [];
    {
      using _ = device.step();
      group.zeroGradients();
      using tape = new Tape();
      tape.record(forward);
      tape.backward();
      for (const each of group.parameters) expected.push(await read(device, each));
    }
    using _ = device.step();
    group.zeroGradients();
    const before = device.report().step.current;
    const tape = new Tape();
    const scope = device.memory.openScope();
    tape.record(forward);
    scope.close();
    expect([...tape.parameters].map(({ name }) => name).sort()).toEqual(['first', 'inside', 'last', 'shared', 'table']);
    const order: string[] = [];
    for (const parameters of tape.backwardInParts()) {
      for (const each of parameters) {
        order.push(each.name);
        expect(await read(device, each)).toEqual(expected[group.parameters.indexOf(each)]);
      }
    }
    expect(order.slice(0, 1)).toEqual(['last']);
    expect(order.slice(1, 3).sort()).toEqual(['inside', 'table']);
    expect(order.slice(3)).toEqual(['shared', 'first']);
    expect(device.report().step.current).toBe(before);
    for (const [i, values] of expected.entries()) expect(values.some((value) => value !== 0)).toBe(i < 5);
    group.release();
  });

  it('refuse an operation with a gradient for a parameter that is not among its inputs', () => {
    const device = devices[0]!;
    const group = weights(device, ['named', 'hidden']);
    using _ = device.step();
    for (const how of ['give', 'target'] as const) {
      const tape = new Tape();
      const hidden = group.get('hidden');
      tape.record(() => {
        const out = empty(device, [1]);
        record('odd', [group.get('named')], [out], [], (_, into) => void into[how](hidden, hidden), { root: true });
      });
      expect(() => tape.backward()).toThrow(
        'odd has a gradient for the parameter hidden, which is not among its inputs',
      );
    }
    group.release();
  });
});

/** The parts of a batch: which rows, through which layers. */
type Share = { readonly rows: { start: number; end: number }; readonly layers: readonly string[] };
const names = ['a', 'b', 'c', 'd', 'unused'];
const usual = ['a', 'b', 'a', 'c', 'd'];

/**
 * Steps of three ranks. In the first and the last, rank 0 has no rows; in the fourth, rank 1 has other layers in another
 * order.
 */
const steps: readonly Share[][] = [2, 6, 6, 6, 2].map((rows, step) =>
  [0, 1, 2].map((rank) => ({
    rows: shareOf(rows, { rank, size: 3 }),
    layers: step === 3 && rank === 1 ? ['c', 'a'] : usual,
  })),
);

describe('gradients of ranks', () => {
  /** Gradients of each step. @param parts per step and rank: of one rank, all that it does one after the other. */
  async function run(
    device: Device,
    parts: readonly (readonly Share[])[],
    collective: Collective | null,
    options = { pieceBytes },
  ): Promise<Float32Array[]> {
    const group = weights(device, names);
    const reduction = collective && new GradientReduction([group], collective, options);
    const results: Float32Array[] = [];
    for (const [step, shares] of parts.entries()) {
      const of = steps[step]!.at(-1)!.rows.end;
      using _ = device.step();
      group.zeroGradients();
      for (const [index, { rows, layers }] of shares.entries()) {
        using tape = new Tape();
        if (rows.end > rows.start) tape.record(() => lossOf(group, layers, rows, of));
        // Of parts of a batch, the last one's backward pass sums.
        if (reduction && index === shares.length - 1) await reduction.backward(tape);
        else tape.backward();
      }
      results.push(await read(device, group.sections[0]!));
    }
    group.release();
    return results;
  }
  const onRanks = (wrap: (collective: Collective) => Collective = (each) => each, options = { pieceBytes }) =>
    Promise.all(
      inProcess(3).map((collective, rank) =>
        run(
          devices[rank]!,
          steps.map((shares) => [shares[rank]!]),
          wrap(collective),
          options,
        ),
      ),
    );
  let one: Float32Array[];
  beforeAll(async () => {
    one = await run(devices[0]!, steps, null);
  });

  it('are those of one rank with all rows, to the same bits on all ranks, each time, and in pieces of any size', async () => {
    const ranks = await onRanks();
    for (const [step, expected] of one.entries()) {
      expectClose(ranks[0]![step]!, expected, { relative: 0, absolute: 1e-5, label: `step ${step}` });
    }
    for (const rank of ranks) expect(rank).toEqual(ranks[0]);
    // Again, in more pieces than may be read at once, which cut parameters.
    expect(await onRanks(undefined, { pieceBytes: 60 })).toEqual(ranks);
  });

  it('may travel as halves', async () => {
    const ranks = await onRanks((each) => ({ ...each, allReduce: (values) => each.allReduce(values, 'f16') }));
    for (const [step, expected] of one.entries()) {
      expectClose(ranks[2]![step]!, expected, { relative: 2e-3, absolute: 1e-4, label: `step ${step}` });
    }
    expect(ranks[2]).not.toEqual(one);
    expect(ranks[2]).toEqual(ranks[0]);
  });

  it('of parts of a batch are summed once, with those of the last part', async () => {
    const sums: number[] = [];
    const shares = steps.slice(0, 3);
    const ranks = await Promise.all(
      inProcess(2).map((collective, rank) => {
        const counting: Collective = {
          ...collective,
          allReduce(values, wire) {
            if (rank === 0) sums.push(values.length);
            return collective.allReduce(values, wire);
          },
        };
        // The second rank takes what ranks 1 and 2 have: one part after the other.
        return run(
          devices[rank]!,
          shares.map((each) => (rank === 0 ? each.slice(0, 1) : each.slice(1))),
          counting,
        );
      }),
    );
    for (const [step, values] of ranks[0]!.entries()) {
      expectClose(values, one[step]!, { relative: 0, absolute: 1e-5, label: `step ${step}` });
    }
    expect(ranks[1]).toEqual(ranks[0]);
    expect(sums).toEqual(new Array(names.length * shares.length).fill(width * width));
  });

  it('travel in pieces of 4 MiB, and of 16 MiB where a table has as much', async () => {
    const device = devices[0]!;
    const groupOf = (...rows: number[]) =>
      new ParameterGroup(
        device,
        'test',
        rows.map((count, i) => ({ name: `p${i}`, shape: [count, width], values: new Float32Array(count * width) })),
      );
    const groups = [groupOf(2 ** 17, 2 ** 17), groupOf(2 ** 19, 8)];
    const sums: number[] = [];
    const other: Collective = {
      ...inProcess(1)[0]!,
      size: 2,
      broadcast: async (bytes) => bytes,
      allReduce: async ({ length }) => void sums.push(length),
    };
    using _ = device.step();
    await new GradientReduction(groups, other).backward(new Tape());
    expect(sums).toEqual([2 ** 20, 2 ** 20, 2 ** 22, 8 * width]);
    for (const group of groups) group.release();
  });

  it('that are not finite on one rank are not finite on all', async () => {
    const ends = await Promise.all(
      inProcess(2).map(async (collective, rank) => {
        const device = devices[rank]!;
        const group = weights(device, names);
        const reduction = new GradientReduction([group], collective, { pieceBytes });
        using _ = device.step();
        group.zeroGradients();
        using tape = new Tape();
        tape.record(() => {
          const x = fromHost(device, [1, width], new Float32Array(width).fill(rank === 1 ? Number.NaN : 1));
          const scores = linear(
            linear(x, group.get('b')),
            fromHost(device, [1, width], new Float32Array(width).fill(1)),
          );
          return bceWithLogits(reshape(scores, [1]), Float32Array.of(1), 1);
        });
        await reduction.backward(tape);
        const values = await Promise.all(group.parameters.map((each) => read(device, each)));
        group.release();
        return values.map((each) => each.every(Number.isNaN));
      }),
    );
    expect(ends).toEqual([0, 1].map(() => names.map((name) => name === 'b')));
  });

  it('are sent before the backward pass is recorded to its end', async () => {
    const layers = Array.from({ length: 12 }, (_, i) => `layer${i}`);
    const overlaps = await Promise.all(
      inProcess(2).map(async (collective, rank) => {
        const device = devices[rank]!;
        const group = weights(device, layers);
        let events: string[] = [];
        const watched: Collective = {
          ...collective,
          allReduce(values, wire) {
            events.push('sum');
            return collective.allReduce(values, wire);
          },
        };
        const reduction = new GradientReduction([group], watched, { pieceBytes });
        const found: number[] = [];
        for (let step = 0; step < 8; step++) {
          events = [];
          using _ = device.step();
          group.zeroGradients();
          using tape = new Tape();
          tape.record(() => {
            // Recorded first, so that its backward is the last of all.
            const probe = empty(device, [1]);
            record('probe', [group.get('layer0')], [probe], [], () => void events.push('last'), { root: true });
            return lossOf(group, layers, { start: 3 * rank, end: 3 * rank + 3 }, 6);
          });
          await reduction.backward(tape);
          expect(events.filter((each) => each === 'sum')).toHaveLength(layers.length);
          found.push(events.indexOf('last'));
        }
        group.release();
        return found;
      }),
    );
    for (const [first, ...others] of overlaps) {
      // Before the first pass nobody knows the order.
      expect(first).toBe(0);
      expect(Math.max(...others)).toBeGreaterThan(0);
    }
  });

  it('end with the rank that is lost, and leave a device that can go on', async () => {
    const device = devices[0]!;
    const group = weights(device, names);
    let sums = 0;
    const lost: Collective = {
      ...inProcess(1)[0]!,
      size: 2,
      broadcast: async (bytes) => bytes,
      allReduce: async () => {
        if (++sums > names.length + 1) throw new RankLostError(1);
      },
    };
    const reduction = new GradientReduction([group], lost, { pieceBytes });
    const step = async () => {
      using _ = device.step();
      group.zeroGradients();
      using tape = new Tape();
      tape.record(() => lossOf(group, usual, { start: 0, end: 6 }, 6));
      await reduction.backward(tape);
    };
    await step();
    await expect(step()).rejects.toThrow(RankLostError);
    expect(device.report().step.current).toBe(0);
    expect(sums).toBe(names.length + 2);
    expect(await run(device, steps.slice(1, 2), null)).toHaveLength(1);
    group.release();
  });
});
