/** Tables as text and Markdown. */
import { expect, it } from 'vitest';
import { renderTable } from '../src/index';

const columns = ['method', { header: 'AUC' }, { header: 'gain', digits: 1 }];
const rows = [
  ['MF', 0.64821, null],
  ['a|b\nc', 1, 54.86],
];

it('aligns text by code points', () => {
  expect(renderTable(columns, rows)).toBe(
    ['method     AUC  gain', '------  ------  ----', 'MF      0.6482     –', 'a|b c        1  54.9'].join('\n'),
  );
});

it('escapes Markdown', () => {
  expect(renderTable(columns, rows, 'markdown')).toBe(
    [
      '| method |    AUC | gain |',
      '| ------ | -----: | ---: |',
      '| MF     | 0.6482 |    – |',
      '| a\\|b c |      1 | 54.9 |',
    ].join('\n'),
  );
});

it('refuses ragged rows', () => {
  expect(() => renderTable(['a'], [[1, 2]])).toThrow(/row 0 has 2 cells for 1 columns/);
});
