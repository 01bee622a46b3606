/** The rules of traces: what is right passes, and each thing that is wrong is found. */
import { expect, it } from 'vitest';
import { traceProblems } from '../src';

const names = [1, 2].flatMap((pid) => [
  { ph: 'M', name: 'process_name', pid, args: { name: 'a process' } },
  { ph: 'M', name: 'process_sort_index', pid, args: { sort_index: pid } },
  { ph: 'M', name: 'thread_name', pid, tid: 1, args: { name: 'a track' } },
  { ph: 'M', name: 'thread_sort_index', pid, tid: 1, args: { sort_index: 1 } },
]);
const bar = (name: string, ts: number, dur: number, pid = 1) => ({ ph: 'X', name, cat: 'c', pid, tid: 1, ts, dur });
const value = (ts: number, args: object) => ({ ph: 'C', name: 'memory', pid: 2, ts, args });
const end = (ph: string, pid: number, ts: number) => ({
  ...{ ph, id: 1, name: 'arrow', cat: 'c', pid, tid: 1, ts },
  ...(ph === 'f' && { bp: 'e' }),
});
const right = [
  ...names,
  bar('step', 10, 20.1),
  end('s', 1, 10),
  bar('record', 10, 5),
  bar('wait', 15, 15.1),
  bar('step', 30.1, 3),
  bar('kernel', 31, 2, 2),
  end('f', 2, 31),
  value(11, { weights: 3, step: 0 }),
  value(12, { weights: 0, step: 4 }),
];

it('finds nothing wrong with a right trace', () => {
  expect(traceProblems({ traceEvents: right })).toEqual([]);
});

it.each<[string, object[]]>([
  ['phase, ts or dur', [...right, { ph: 'B', name: 'open', pid: 1, tid: 1, ts: 40 }]],
  ['phase, ts or dur', [...right, bar('negative', 40, -1)]],
  ['no process_name 2', right.filter((event) => event !== names[4])],
  ['no thread_sort_index 1/1', right.filter((event) => event !== names[3])],
  ['needless thread_name 1/1', [...right, names[2]!]],
  ['late at 5 comes after a later bar', [...right, bar('late', 5, 1)]],
  ['beyond at 32 overlaps kernel', [...right, bar('beyond', 32, 2, 2)]],
  ['memory at 11.5 comes after a later one', [...right, value(11.5, { weights: 1, step: 1 })]],
  ['has step, not step, weights', [...right, value(13, { step: 1 })]],
  ['is no number from 0', [...right, value(13, { weights: Number.NaN, step: 1 })]],
  ['needs one s and one f', right.filter(({ ph }) => ph !== 'f')],
  ['goes back in time', right.map((event) => (event.ph === 's' ? end('s', 1, 32) : event))],
  ['has an end in no bar', right.map((event) => (event.ph === 'f' ? end('f', 2, 50) : event))],
])('finds: %s', (problem, traceEvents) => {
  expect(traceProblems({ traceEvents }).join('\n')).toContain(problem);
});
