/** CoLLM's pickles to a prepared data set, on generated pickles. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDataset } from '@crossgate/data/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('convert.py', import.meta.url));
const python = spawnSync('python3', ['--version']).status === 0;

/** Rows [uid, iid, label, timestamp, title, his] by split; the order within a split is not that of time. */
const rows = {
  train: [
    [1, 2, 1, 10, 'Two', [0, 0]],
    [1, 3, 0, 20, 'Three', [0, 2]],
    [3, 2, 1, 15, ' Two ', [0, 0]],
    [1, 5, 1, 30, 'Füñf "5"', [0, 2]],
  ],
  valid: [
    [3, 5, 1, 60, 'Füñf "5"', [0, 2]],
    [1, 2, 0, 55, 'Two', [2, 5]],
  ],
  test: [
    [3, 7, 0, 90, 'Seven', [2, 5]],
    [4, 2, 1, 80, 'Two', [9, 9]],
  ],
};

describe.skipIf(!python)('convert.py (skipped without python3)', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'crossgate-collm-'));
    writeFileSync(join(folder, 'rows.json'), JSON.stringify(rows));
    // Columns as a dict: a DataFrame would need pandas here.
    const make = `
import json, pickle, sys
for split, rows in json.load(open('rows.json')).items():
    names = ['uid', 'iid', 'label', 'timestamp', 'title', 'his']
    frame = {name: [row[n] for row in rows] for n, name in enumerate(names)}
    pickle.dump(frame, open(f'{split}_ood2.pkl', 'wb'))
    pickle.dump({name: frame[name] for name in ['uid', 'iid', 'label']}, open(f'{split}_bare.pkl', 'wb'))
    pickle.dump({**frame, 'label': [2] * len(rows)}, open(f'{split}_two.pkl', 'wb'))
open('valid_cut.pkl', 'wb').write(open('valid_ood2.pkl', 'rb').read()[:20])
open('train_cut.pkl', 'wb').write(open('train_ood2.pkl', 'rb').read()[:20])
`;
    execFileSync('python3', ['-c', make], { cwd: folder });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const convert = (out: string, ...more: string[]) =>
    spawnSync('python3', [script, '--source', folder, '--out', join(folder, out), ...more], { encoding: 'utf8' });

  it('keeps rows and their order, ids, titles and histories', async () => {
    const { status, stdout, stderr } = convert('set', '--name', 'ml-1m');
    expect(status, stderr).toBe(0);
    expect(stderr).toBe('warning: 1 of 8 rows have another history in the column his\n');
    const dataset = await openDataset(join(folder, 'set'), { verify: true });
    expect(dataset.name).toBe('ml-1m');
    expect(dataset.users).toEqual(['', '1', '3', '4']);
    expect(dataset.items.map(({ id, title }) => `${id} ${title}`)).toEqual([
      ...[' ', '2 Two', '3 Three', '5 Füñf "5"', '7 Seven'],
    ]);
    const { train, valid, test } = dataset.splits;
    expect([...train.user]).toEqual([1, 1, 2, 1]);
    expect([...train.item]).toEqual([1, 2, 1, 3]);
    expect([...valid.label]).toEqual([1, 0]);
    expect([...test.timestamp]).toEqual([90, 80]);
    expect([...valid.seen, ...test.seen]).toEqual([1, 1, 0, 0]);
    const histories = (['train', 'valid', 'test'] as const).map((split) =>
      [...dataset.splits[split].user.keys()].map((row) => [...dataset.history(split, row)]),
    );
    expect(histories).toEqual([
      [[], [1], [], [1]],
      [[1], [1, 3]],
      [[1, 3], []],
    ]);
    expect(JSON.parse(stdout).splits.test).toEqual({ rows: 2, positives: 1, users: 2, items: 2, seen: 0 });
  });

  it('does without titles and times', async () => {
    const { status, stderr } = convert('bare', '--suffix', '_bare');
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/no timestamps/);
    const dataset = await openDataset(join(folder, 'bare'), { verify: true });
    expect(dataset.items[3]).toEqual({ id: '5', title: '5' });
    expect([...dataset.history('test', 0)]).toEqual([1, 3]);
  });

  it.each([
    ['_none', /train_none\.pkl: no such file/],
    ['_cut', /train_cut\.pkl: not a pickle, or cut short/],
    ['_two', /train_two\.pkl: label of row 0 is 2; it must be 0 or 1/],
  ])('refuses pickles that cannot be read: %s', (suffix, message) => {
    const { status, stderr } = convert('refused', '--suffix', suffix);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('replaces nothing', () => {
    convert('twice');
    const { status, stderr } = convert('twice');
    expect([status, stderr]).toEqual([2, expect.stringMatching(/twice: exists already/)]);
  });
});
