/** Mean and spread over seeds: kept tables are what their seeds.json say, and collecting again changes nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as evaluation from '@crossgate/eval';
import { describe, expect, it } from 'vitest';
import { entryOf, keptCommand, mergeEntries, type SeedEntry, seedTables, withTables } from './seed-table.mjs';

const results = fileURLToPath(new URL('../../docs/results/', import.meta.url));
const seedsIn = (folder: string) =>
  readdirSync(folder)
    .map((name) => `${folder}/${name}/seeds.json`)
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')));
const folders = readdirSync(results, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && seedsIn(results + entry.name).length > 0)
  .map(({ name }) => name);

describe.each(folders)('docs/results/%s', (name) => {
  it('has the tables that its seeds.json give', () => {
    const text = readFileSync(`${results}${name}/README.md`, 'utf8');
    expect(withTables(text, seedTables(seedsIn(results + name), evaluation))).toBe(text);
  });
});

const origin = { commit: 'abcdef0123', date: '2026-01-02' };
const run = (seed: number, auc: number, at = origin): SeedEntry => {
  const part = { auc, uauc: auc - 0.1 };
  const metrics = { valid: part, test: { ...part, warm: part, cold: { auc: 0.5 } } };
  return entryOf({ seed, adapter: 'gpu', seconds: 1.4, details: { cf: { bestEpoch: seed } }, metrics }, at);
};
const of = (runs: SeedEntry[]) => ({ name: 'mf', information: 'T', command: 'train', wanted: [1, 2, 3], runs });

describe('the table of seeds', () => {
  it('gives the mean and the sample standard deviation', () => {
    const [header, , row] = seedTables([of([run(1, 0.6), run(2, 0.7), run(3, 0.8)])], evaluation).split('\n');
    expect(header).toContain('| test AUC | test UAUC |');
    // The deviations are −.1, 0, .1: √(.02 / 2) = .1.
    expect(row).toBe(
      '| mf | T | 1–3 | 0.7000 ± 0.1000 / 0.6000 ± 0.1000 | 0.7000 ± 0.1000 | 0.6000 ± 0.1000 | 0.7000 ± 0.1000 | 0.5000 ± 0.0000 |',
    );
  });

  it('says that seeds are missing, and gives no spread of one', () => {
    const tables = seedTables([of([run(2, 0.6)])], evaluation);
    expect(tables).toContain('| mf | T | 2 (of 3) | 0.6000 / 0.5000 | 0.6000 |');
    expect(tables).toContain('| mf | `train` | abcdef0 | gpu | 1 | 2 | 2026-01-02 |');
  });

  it('keeps the commit of a run whose numbers are the same, and takes the new one of others', () => {
    const later = { commit: 'fedcba', date: '2026-01-03' };
    const merged = mergeEntries(
      [run(3, 0.8), run(1, 0.6)],
      [run(1, 0.6, later), run(2, 0.7, later), run(3, 0.9, later)],
    );
    expect(merged.map(({ seed, commit }) => `${seed} ${commit}`)).toEqual(['1 abcdef0123', '2 fedcba', '3 fedcba']);
    expect(merged[2]!.metrics.test.auc).toBe(0.9);
  });

  it('replaces what lies between its marks and nothing else', () => {
    const once = withTables('# title\n\ntext\n', '| a |');
    expect(once.startsWith('# title\n\ntext\n\n<!--')).toBe(true);
    expect(withTables(`${once}\nmore\n`, '| b |')).toBe(`${once.replace('| a |', '| b |')}\nmore\n`);
  });
});

describe('the command that is kept', () => {
  const kept = (...settings: string[]) => keptCommand('configs/ml-1m/mf.yaml', settings);
  const start = 'crossgate train configs/ml-1m/mf.yaml --seed {seed}';

  it('has of paths of a machine only the last part', () => {
    expect(kept('data.path=/home/me/data/ml-1m', 'cf.run=/data/runs/mf-{seed}/')).toBe(
      `${start} --set data.path=ml-1m --set cf.run=mf-{seed}`,
    );
    expect(kept('a=[/x/one.yaml, "/y/z/two.yaml"]')).toBe(`${start} --set a=[one.yaml, "two.yaml"]`);
    expect(kept('a=../away/ml-1m', 'b=~/ml-1m', 'c=C:\\data\\ml-1m', 'd=/ml-1m')).toBe(
      `${start} --set a=ml-1m --set b=ml-1m --set c=ml-1m --set d=ml-1m`,
    );
    expect(keptCommand('../../home/me/mine.yaml', [])).toBe('crossgate train mine.yaml --seed {seed}');
  });

  it('leaves everything else as it was given', () => {
    const settings = ['data.split.seed={seed}', 'cf.betas=[.9, .98]', 'cf.run=runs/mf-{seed}', 'data.path=data/ml-1m'];
    expect(kept(...settings)).toBe(`${start} ${settings.map((setting) => `--set ${setting}`).join(' ')}`);
  });
});
