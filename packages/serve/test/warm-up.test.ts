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
