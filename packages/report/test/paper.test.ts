/** Tables of a reproduction: every format, groups, what is missing, and numbers as they are. */
import type { ReproducedRow, Reproduction } from '@crossgate/experiment';
import { describe, expect, it } from 'vitest';
import { figure3, formatPaperTable, paperCsv, paperFiles, paperTables } from '../src';

const summary = (mean: number, standardDeviation: number | null = null) => ({
  ...{ runs: standardDeviation === null ? 1 : 2, mean, standardDeviation },
});
const done = (id: string, changes: Partial<ReproducedRow> = {}): ReproducedRow => ({
  ...{
    id,
    part: 'figure3',
    group: 'a: how to fuse',
    label: `label of ${id}`,
    dataset: 'ml-1m',
    status: 'done',
    reason: null,
  },
  ...{ information: 'H', seeds: [1], auc: summary(0.74), auc95: [0.72, 0.76], uauc: summary(0.68), warmAuc: null },
  ...{ uauc95: [0.65, 0.71], trainedRows: 33_891, trainRows: 33_891 },
  ...{ coldAuc: summary(0.5), relativeImprovement: 0.25, base: 'mf', published: 0.7427, publishedOn: 'ml-1m' },
  ...{ difference: -0.0027, seconds: 3, runs: ['r'] },
  ...changes,
});
const absent = {
  status: 'absent',
  reason: 'no data, "really"',
  auc: null,
  auc95: null,
  uauc: null,
  uauc95: null,
  trainedRows: null,
  trainRows: null,
  seeds: [],
} as const;
const reproduction: Reproduction = {
  ...{ profile: 'small', model: 'stories260K', adapter: 'a', out: 'runs/x', claims: [], maps: [] },
  statistics: [
    {
      dataset: 'ml-1m',
      publishedOn: 'ml-1m',
      ours: { users: 839 },
      published: { users: 839, items: 3256 },
      reason: null,
    },
  ],
  rows: [
    done('one'),
    done('two', { ...absent, coldAuc: null, relativeImprovement: null, difference: null, published: null }),
    done('three', { group: 'b: what to fuse', auc: summary(0.7, 0.01), seeds: [1, 2] }),
  ],
  cases: [
    {
      ...{ dataset: 'ml-1m', user: '36', history: ['Rocky'], experiments: ['lightgcn', 'zero-shot'], reason: null },
      items: [{ title: 'Big & <Daddy>', label: 0, ranks: [2, 1], published: [4, 1, 4] }],
    },
  ],
};

it('say what a plus means where a row has one', () => {
  const table = (information: string) =>
    paperTables({ ...reproduction, rows: [done('one', { information })] }).find(({ part }) => part === 'figure3')!;
  expect(table('H+').rows[0]).toContain('H+');
  expect(table('H+').notes.join(' ')).toMatch(/A plus \(T\+, H\+, P\+\): .* a class of its own/);
  expect(table('H').notes.join(' ')).not.toMatch(/plus/);
});

describe('paperTables', () => {
  const tables = paperTables(reproduction);
  it('have one table a part and data set, the published numbers beside ours', () => {
    expect(tables.map(({ title }) => title)).toEqual([
      'Table 1. Statistics of the data sets, ml-1m',
      'Figure 3. What to fuse, and how, ml-1m',
      'Table 5. Ranks of five items of one user, ml-1m',
    ]);
    const [statistics, scores, ranks] = tables;
    expect(statistics!.rows).toEqual([
      ['users', 839, 839],
      ['items', null, 3256],
    ]);
    const one = scores!.rows[0]!;
    expect(one).toEqual([
      ...[
        'a: how to fuse',
        'label of one',
        'H',
        '33,891',
        '0.7400',
        '0.7200–0.7600',
        '0.6800',
        '0.6500–0.7100',
        '–',
        '0.5000',
        '+25.0 %',
        '0.7427',
        '−0.0027',
      ],
    ]);
    // A group is named once; what is absent has no numbers, but a note.
    expect(scores!.rows.map(([group]) => group)).toEqual(['a: how to fuse', '', 'b: what to fuse']);
    expect(scores!.rows[1]!.slice(3)).toEqual(Array(10).fill('–'));
    expect(scores!.notes).toContain('label of two: no data, "really"');
    expect(scores!.rows[2]![4]).toMatch(/0\.7000 ± 0\.0100/);
    expect(ranks!.rows).toEqual([['Big & <Daddy>', 0, 2, 1, '4 / 1 / 4']]);
  });

  it('say in the row what it was trained on, where that is a part', () => {
    const table = (trainedRows: number) =>
      paperTables({ ...reproduction, rows: [done('one', { trainedRows })] }).find(({ part }) => part === 'figure3')!;
    expect(table(12_000).rows[0]![3]).toBe('12,000 of 33,891');
    expect(table(12_000).notes.join(' ')).toContain('a seeded sample of the training rows');
    expect(table(0).rows[0]![3]).toBe('none');
    for (const rows of [0, 33_891]) expect(table(rows).notes.join(' ')).not.toContain('sample of the training');
  });

  it('claim something of collaborative filtering in the words of the test, or nothing', () => {
    const difference = { difference: 0.02, interval: [0.01, 0.03], pValue: 0.002, pHolm: 0.01 } as const;
    const claim = (holds: boolean) => {
      const tests = [{ control: 'c', label: 'a control', auc: difference, uauc: holds ? difference : null }];
      const claims = [{ dataset: 'ml-1m', label: 'CCF-LLM (LightGCN)', holds, samples: 1000, tests }];
      return paperTables({ ...reproduction, claims }).at(-1)!;
    };
    expect(claim(true).rows[0]).toEqual([
      ...['a control', '+0.0200', '+0.0100 to +0.0300', '0.010', '+0.0200', '+0.0100 to +0.0300', '0.010'],
    ]);
    expect(claim(true).notes[0]).toMatch(
      /beats every control in AUC and in UAUC \(by the paired test on 1,000 resamples of whole users, .* helps\.$/,
    );
    expect(claim(false).notes[0]).toMatch(/^CCF-LLM \(LightGCN\) does not beat every control .*: nothing is claimed/);
  });

  it('say when the published numbers cannot be compared', () => {
    const rows = reproduction.rows.map((row) => ({ ...row, dataset: 'demo' }));
    const [, scores] = paperTables({ ...reproduction, rows });
    expect(scores!.notes.join(' ')).toContain(
      'are of ml-1m and a model of 7 billion parameters: they cannot be compared',
    );
  });

  it('come as text, Markdown and LaTeX', () => {
    const [, scores, ranks] = tables;
    expect(formatPaperTable(scores!, 'text')).toContain('label of one');
    for (const format of ['text', 'markdown', 'latex'] as const) {
      expect(formatPaperTable(scores!, format)).toMatch(/0\.7200(–|--)0\.7600.*0\.6500(–|--)0\.7100/);
    }
    expect(formatPaperTable(scores!, 'markdown')).toMatch(/^## Figure 3\..*\n\n\| group/);
    const latex = formatPaperTable(ranks!, 'latex');
    expect(latex).toContain('Big \\& \\textless{}Daddy');
    expect(latex.split('\n')[0]).toMatch(/^% Table 5/);
  });
});

it('paperCsv has a line a row, quoted where it must be', () => {
  const [head, ...lines] = paperCsv(reproduction).trim().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toContain('"no data, ""really"""');
  const columns = head!.split(',');
  expect(lines[0]!.split(',')[columns.indexOf('auc')]).toBe('0.74');
  expect(lines[2]!.split(',')[columns.indexOf('aucSd')]).toBe('0.01');
  const cells = ['auc95Low', 'auc95High', 'uauc95Low', 'uauc95High', 'trainedRows', 'trainRows'];
  expect(cells.map((name) => lines[0]!.split(',')[columns.indexOf(name)])).toEqual([
    ...['0.72', '0.76', '0.65', '0.71', '33891', '33891'],
  ]);
});

it('figure3 draws what there is, and nothing of nothing', async () => {
  const svg = (await figure3(reproduction))!;
  expect(svg).toContain('AUC, a: how to fuse, ml-1m');
  expect(svg).toContain('label of three');
  expect(svg).not.toContain('label of two');
  expect(figure3({ ...reproduction, rows: [] })).toBeNull();
});

describe('paperFiles', () => {
  const isPng = (content: unknown) =>
    content instanceof Uint8Array && Buffer.from(content).toString('latin1', 1, 4) === 'PNG';

  it('are the tables in every format, and each figure as SVG and PNG', async () => {
    const map = (await figure3(reproduction))!;
    const files = await paperFiles(reproduction, 'all', { demo: map });
    expect(Object.keys(files)).toEqual([
      ...['all.txt', 'all.md', 'all.tex', 'all.csv', 'all.json'],
      ...['figure3.svg', 'figure3.png', 'figure4-demo.svg', 'figure4-demo.png'],
    ]);
    expect(JSON.parse(files['all.json'] as string)).toEqual(reproduction);
    expect(files['all.csv']).toBe(paperCsv(reproduction));
    for (const { title } of paperTables(reproduction)) {
      expect(files['all.txt']).toContain(title);
      expect(files['all.md']).toContain(`## ${title}`);
      expect(files['all.tex']).toContain(`% ${title}`);
    }
    expect((files['all.tex'] as string).match(/\\begin\{tabular\}/g)).toHaveLength(3);
    expect((files['all.md'] as string).match(/^\| -/gm)).toHaveLength(3);
    expect([files['figure3.svg'], files['figure4-demo.svg']]).toEqual([map, map]);
    expect([isPng(files['figure3.png']), isPng(files['figure4-demo.png'])]).toEqual([true, true]);
  });

  it('leave out a figure without results', async () => {
    expect(Object.keys(await paperFiles({ ...reproduction, rows: [] }, 'table1'))).toEqual([
      ...['table1.txt', 'table1.md', 'table1.tex', 'table1.csv', 'table1.json'],
    ]);
  });
});
