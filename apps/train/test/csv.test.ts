/** CSV: quotes, line ends, chunks, line numbers; the metrics of scored files. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CsvSplitter, csvField } from '@crossgate/data';
import { readColumns } from '@crossgate/data/node';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

function split(text: string, size: number) {
  const splitter = new CsvSplitter('x.csv');
  const records = [];
  for (let start = 0; start < text.length; start += size)
    records.push(...splitter.push(text.slice(start, start + size)));
  return [...records, ...splitter.end()];
}

describe('CsvSplitter', () => {
  const text = 'a,b\r\n"1,5","say ""hi"""\n\n,\n"two\nlines",x';
  const expected = [
    { line: 1, fields: ['a', 'b'] },
    { line: 2, fields: ['1,5', 'say "hi"'] },
    { line: 4, fields: ['', ''] },
    { line: 5, fields: ['two\nlines', 'x'] },
  ];

  it.each([1, 2, 3, 7, 100])('gives the same records in chunks of %i', (size) => {
    expect(split(text, size)).toEqual(expected);
  });

  it('reads back what csvField writes', () => {
    const fields = ['plain', '', 'a,b', '"', 'x\ny', 'é😀', ' space '];
    expect(split(`${fields.map(csvField).join(',')}\n`, 1)).toEqual([{ line: 1, fields }]);
  });

  it('refuses text after a quote and a lone carriage return', () => {
    expect(() => split('"a"b\n', 9)).toThrow(/x\.csv:1: text after a closing quote/);
    expect(() => split('a\rb\n', 9)).toThrow(/x\.csv:1: a carriage return/);
  });
});

describe('readColumns', () => {
  it('finds columns in any order, drops a byte order mark, leaves optional ones undefined', async () => {
    const path = join(await folderWith(), 'x.csv');
    await writeFile(path, '\ufeffscore,other,user\n1,x,u\n');
    const rows = [];
    for await (const row of readColumns(path, ['user', 'score'], ['logit'])) rows.push(row);
    expect(rows).toEqual([{ line: 2, values: ['u', '1', undefined] }]);
  });
});

describe('metrics', () => {
  it('computes what can be computed by hand', async () => {
    // User a: positive above negative, and a tie (.75 of pairs); user b: one class, so not in UAUC.
    const cwd = await folderWith({
      's.csv': 'label,user,score\n1,a,0.8\n0,a,0.2\n0,a,0.8\n1,b,0.5\n',
    });
    const { code, stdout } = await runCli(['metrics', 's.csv', '--json'], { cwd });
    expect(code).toBe(0);
    const metrics = JSON.parse(stdout);
    expect(metrics).toMatchObject({ rows: 4, users: 2, uauc: 0.75, uaucUsers: 1, auc: 0.625 });
    const loss = -(2 * Math.log(0.8) + Math.log(0.2) + Math.log(0.5)) / 4;
    expect(metrics.logLoss).toBeCloseTo(loss, 12);
    expect(metrics).not.toHaveProperty('warm');
  });

  it('ranks by the logit where there is one, and says null for what is undefined', async () => {
    const cwd = await folderWith({
      's.csv': 'user,label,score,logit\na,1,1,90\na,0,1,80\n',
      'one.csv': 'user,label,score\na,1,3\n',
    });
    expect(JSON.parse((await runCli(['metrics', 's.csv', '--json'], { cwd })).stdout)).toMatchObject({
      auc: 1,
      uauc: 1,
    });
    expect(JSON.parse((await runCli(['metrics', 'one.csv', '--json'], { cwd })).stdout)).toMatchObject({
      rows: 1,
      auc: null,
      auc95: null,
      uauc: null,
      logLoss: null,
    });
  });
});
