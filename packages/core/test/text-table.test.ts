/** Tables for a terminal. */
import { expect, it } from 'vitest';
import { textTable } from '../src';

it('shows control characters instead of sending them to the terminal', () => {
  const table = textTable([
    ['item', 'title'],
    ['1', 'Red \u001b[31m\u0007\nstory'],
  ]);
  expect(table.split('\n')).toHaveLength(2);
  expect(table).toContain('Red \ufffd[31m\ufffd\ufffdstory');
  expect(table.replace('\n', '')).not.toMatch(/\p{Cc}/u);
});
