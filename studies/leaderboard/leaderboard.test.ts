/** The committed leaderboard is what the kept records give, and nothing that does not fit together gets on it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapClicks, evaluateClicks, holmAdjust } from '@crossgate/eval';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { leaderboardPage, methodsOf } from './page.mjs';
import { type LeaderboardRecord, paperRows, recordOf } from './record.mjs';

const results = fileURLToPath(new URL('../../docs/results/', import.meta.url));
const files = readdirSync(`${results}leaderboard`);
const kept = files.map(
  (file) => JSON.parse(readFileSync(`${results}leaderboard/${file}`, 'utf8')) as LeaderboardRecord,
);
const published = JSON.parse(readFileSync(new URL('published.json', import.meta.url), 'utf8'));

describe('the committed page', () => {
  it('is what the kept records give', () => {
    expect(leaderboardPage(kept, published, holmAdjust)).toBe(readFileSync(`${results}leaderboard.md`, 'utf8'));
  });

  it('has records that are whole, small, of the test rows of the paper, and named by method and seed', () => {
    for (const [index, record] of kept.entries()) {
      expect(files[index]).toBe(`${record.name}-${record.seed}.json`);
      expect(record.rows).toBe(paperRows);
      expect(record.information.endsWith('+')).toBe((record.config.data as { window?: string }).window === 'all');
      for (const metric of ['auc', 'uauc'] as const) {
        const replicates = record.bootstrap[metric].split(' ').map(Number);
        expect(replicates).toHaveLength(1000);
        // The metric lies among its resamples, near their mean.
        const mean = replicates.reduce((sum, value) => sum + value, 0) / 1e8;
        expect(Math.abs(record.metrics.test[metric] - mean)).toBeLessThan(0.01);
      }
      const text = readFileSync(`${results}leaderboard/${files[index]}`, 'utf8');
      expect(text.length).toBeLessThan(60_000);
      expect(text).not.toMatch(/"\/|\/home|\/root|\/tmp/);
    }
  });
});

const user = Array.from({ length: 60 }, (_, row) => row % 12);
const label = user.map((id, row) => Number((row * 7 + id) % 5 < 2));
const scores = (shift: number) => user.map((id, row) => ((row * 13 + id * shift) % 29) / 29 + (label[row] ?? 0) * 0.2);

/** A finished run of `mean` with these scores. */
async function runWith(seed: number, score: number[], changes: object = {}) {
  const { positives: _, ...test } = evaluateClicks({ user, label, score, probability: score });
  const run = await folderWith({
    'config.yaml': `name: mean\nmethod: mean\nseed: ${seed}\ndata: { path: /somewhere/ml-1m }\n`,
    'result.json': JSON.stringify({
      ...{ run: '/somewhere/mean', name: 'mean', method: 'mean', information: 'T', seed, adapter: null, seconds: 2 },
      ...{ dataset: { name: 'ml-1m', hash: 'd' }, metrics: { valid: test, test: { ...test, ...changes } } },
      details: { memory: { used: { persistent: { cf: 8, 'cf gradients': 400, 'lora gradients': 40 } } } },
    }),
    'predictions/test.csv': [
      'user,item,label,logit,score,seen',
      ...user.map((id, row) => `${id},${row},${label[row]},${score[row]},${Math.min(score[row] ?? 0, 1)},1`),
    ].join('\n'),
  });
  return run;
}
const rows = createHash('sha256')
  .update(user.map((id, row) => `${id},${row},${label[row]}\n`).join(''))
  .digest('hex');
const origin = { commit: 'abcdef0123', date: '2026-01-02', rows };

describe('a record', () => {
  it('holds result, config and resamples, without rows of the data or places of this machine', async () => {
    const record = await recordOf(await runWith(3, scores(5)), origin);
    expect(record).toMatchObject({ name: 'mean', information: 'T', seed: 3, rows, parameters: 110, adapter: null });
    expect(record.config).toMatchObject({ method: 'mean', data: { name: 'ml-1m' } });
    expect(JSON.stringify(record)).not.toContain('somewhere');
    const { auc } = bootstrapClicks({ user, label, score: scores(5) }, { samples: 1000, seed: 1 });
    expect(record.bootstrap.auc.split(' ').map(Number)).toEqual(
      auc.replicates.map((value) => Math.round((value ?? 0) * 1e5)),
    );
    expect(record.bootstrap).toMatchObject({ samples: 1000, seed: 1, users: 12 });
  });

  it('is refused of other rows, and of a result that its predictions do not give', async () => {
    await expect(recordOf(await runWith(1, scores(5)), { ...origin, rows: paperRows })).rejects.toThrow(
      /not the test rows of the leaderboard/,
    );
    await expect(recordOf(await runWith(1, scores(5), { uauc: 0.9 }), origin)).rejects.toThrow(
      /result\.json has a test uauc of 0\.9, and the predictions give/,
    );
  });
});

describe('the page', () => {
  it('takes seeds of one config as one method, and refuses what is no such seed', async () => {
    const [a, b] = await Promise.all([1, 2].map(async (seed) => recordOf(await runWith(seed, scores(seed)), origin)));
    const [method, ...others] = methodsOf([b!, a!]);
    expect(others).toEqual([]);
    expect(method?.runs.map(({ seed }) => seed)).toEqual([1, 2]);
    expect(method?.auc).toBeCloseTo((a!.metrics.test.auc + b!.metrics.test.auc) / 2, 14);
    expect(() => methodsOf([a!, a!])).toThrow('mean: seed 1 is there twice');
    expect(() => methodsOf([a!, { ...b!, config: { ...b!.config, method: 'mf' } }])).toThrow(/are of two configs/);
    expect(() => methodsOf([a!, { ...b!, information: 'T+' }])).toThrow(/are of two configs/);
    expect(() => methodsOf([a!, { ...b!, rows: 'other' }])).toThrow(/its rows or resamples are not those/);
    expect(() => methodsOf([a!, { ...b!, bootstrap: { ...b!.bootstrap, seed: 2 } }])).toThrow(/rows or resamples/);
  });

  it('tests within a class alone, against its best', async () => {
    const record = async (name: string, information: string, shift: number) => ({
      ...(await recordOf(await runWith(1, scores(shift)), { ...origin, name })),
      information,
    });
    const page = leaderboardPage(
      [await record('one', 'T', 5), await record('two', 'T', 3), await record('three', 'T+', 2)],
      [{ method: 'M', sees: 'H', auc: 0.7, uauc: null, source: 's', note: 'n' }],
      holmAdjust,
    );
    const sections = page.split(/^## /m).slice(1);
    expect(sections.map((section) => section.split('\n')[0])).toEqual(['Class T', 'Class T+', 'Published numbers']);
    expect(sections[0]?.match(/\| best \| best \|/g)).toHaveLength(1);
    expect(sections[0]).toMatch(/^\| (one|two) .*[−+]\.\d{4} \([−+]\.\d{4} to [−+]\.\d{4}\), p /m);
    expect(sections[1]).toContain('| three | 1 |');
    expect(sections[1]).not.toMatch(/\bp \./);
    expect(sections[2]).toContain('| M | H | .7000 | – | s | n |');
  });
});

describe('keep', () => {
  it('refuses a run of other rows and leaves page and records as they are', async () => {
    const run = await runWith(1, scores(5));
    const before = readFileSync(`${results}leaderboard.md`, 'utf8');
    const main = fileURLToPath(new URL('main.mjs', import.meta.url));
    const keep = () => execFileSync(process.execPath, [main, 'keep', run, '--commit', 'abc'], { stdio: 'pipe' });
    expect(keep).toThrow(/not the test rows of the leaderboard/);
    writeFileSync(join(run, 'result.json'), '{}');
    expect(keep).toThrow(/is not the result of a run/);
    expect(readFileSync(`${results}leaderboard.md`, 'utf8')).toBe(before);
    expect(readdirSync(`${results}leaderboard`)).toEqual(files);
  });
});
