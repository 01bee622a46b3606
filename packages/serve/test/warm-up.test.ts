/** The list that is asked before the first request. */
import { expect, it } from 'vitest';
import { warmUp } from '../src';
import { fakeRun } from './fake-run';

it.each([
  [{ cf: true, llm: true }, { users: 5 }, { user: 'u1' }],
  [{ cf: true, llm: false }, { users: 5 }, { user: 'u1' }],
  [{ cf: false, llm: true }, { users: 0 }, { history: ['i1'] }],
])('asks one list of a run with %o', async (parts, options, person) => {
  const run = fakeRun({ parts, ...options });
  await warmUp(run, { candidates: 7 });
  expect(run.calls).toMatchObject([{ name: 'recommend', person, top: 1 }]);
});

it('asks for somebody with likes, and for no item whose title is too long, so that models have work', async () => {
  const run = fakeRun({ users: 0, items: 2 });
  run.addItems([{ id: 'long', title: 'x'.repeat(300) }]);
  run.observe([{ user: 'cold', item: 'i1', label: 0, timestamp: 5 }]);
  await warmUp(run);
  expect(run.calls).toMatchObject([{ name: 'recommend', person: { history: ['i1'] }, among: ['i1', 'i2'] }]);

  const others = fakeRun({ users: 2 });
  const userOf = others.user.bind(others);
  others.user = (id) => (id === 'u1' ? { known: 'trained', events: [] } : userOf(id));
  await warmUp(others);
  expect(others.calls).toMatchObject([{ name: 'recommend', person: { user: 'u2' } }]);
});

it('asks a run without items for nothing, and passes on what fails and who stops it', async () => {
  const empty = fakeRun({ items: 0 });
  await warmUp(empty);
  expect(empty.calls).toEqual([]);
  const broken = fakeRun();
  broken.before = () => Promise.reject(new Error('no memory'));
  await expect(warmUp(broken)).rejects.toThrow('no memory');
  const stopped = AbortSignal.abort(new Error('stopped'));
  await expect(warmUp(fakeRun({ llmMs: 1000 }), { signal: stopped })).rejects.toThrow('stopped');
});
