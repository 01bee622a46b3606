/** Tables as text, Markdown, LaTeX and JSON. */
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

it('keeps a backslash from swallowing the end of a Markdown cell, and LaTeX from taking one for an argument', () => {
  expect(
    renderTable(['a'], [['x\\'], ['a\\|b']], 'markdown')
      .split('\n')
      .slice(2),
  ).toEqual(['| x\\\\    |', '| a\\\\\\|b |']);
  // \\\\[2pt] and \\\\* are commands: "\\\\" followed by a line with [.07, .10] would be an error.
  const lines = renderTable(['a'], [['[.07, .10]'], ['* best'], ['x [1]']], 'latex').split('\n');
  expect(lines.slice(4, 7).map((line) => line.trim().split(' \\\\')[0]?.trim())).toEqual([
    '{[}.07, .10]',
    '{*} best',
    'x [1]',
  ]);
});

it('refuses ragged rows', () => {
  expect(() => renderTable(['a'], [[1, 2]])).toThrow(/row 0 has 2 cells for 1 columns/);
});

it('writes LaTeX with booktabs, its special characters escaped', () => {
  const text = renderTable(
    ['method', { header: 'AUC', digits: 3 }],
    [
      ['A_1 & 50% ± {x}\\y', 0.5],
      ['MF', null],
    ],
    'latex',
  );
  expect(text).toBe(
    [
      '\\begin{tabular}{lr}',
      '\\toprule',
      'method                                    &   AUC \\\\',
      '\\midrule',
      'A\\_1 \\& 50\\% $\\pm$ \\{x\\}\\textbackslash{}y & 0.500 \\\\',
      'MF                                        &    -- \\\\',
      '\\bottomrule',
      '\\end{tabular}',
    ].join('\n'),
  );
});

it('writes JSON with whole precision, null for what is missing', () => {
  const text = renderTable(
    ['method', '__proto__', 'gain'],
    [
      ['MF', 0.123456789, undefined],
      ['x', Infinity, 2],
    ],
    'json',
  );
  expect(text).toBe(
    JSON.stringify(
      [
        Object.fromEntries([
          ['method', 'MF'],
          ['__proto__', 0.123456789],
          ['gain', null],
        ]),
        Object.fromEntries([
          ['method', 'x'],
          ['__proto__', 'Infinity'],
          ['gain', 2],
        ]),
      ],
      null,
      2,
    ),
  );
  expect(() => renderTable(['a', 'a'], [], 'json')).toThrow(/two columns are called "a"/);
});
