/** The user's own tables from the command line: Parquet, patterns and SQL, and what never shows a password. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listing } from '@crossgate/testing/node';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from './cli';

let cwd = '';
const events = `SELECT (i * 7) % 20 AS customer, 'i' || (i * 11) % 15 AS sku, 1 + (i * 13) % 5 AS stars,
  TIMESTAMP '2024-01-01' + to_hours(CAST(i AS INTEGER)) AS bought_at FROM range(300) AS t(i)`;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'crossgate-tables-'));
  await mkdir(join(cwd, 'shop'));
  const instance = await DuckDBInstance.create(join(cwd, 'shop/shop.duckdb'));
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE events AS ${events}`);
  const copy = (name: string, where: string) =>
    connection.run(`COPY (SELECT * FROM (${events}) WHERE ${where}) TO '${cwd}/shop/${name}' (FORMAT parquet)`);
  await copy('all.parquet', 'true');
  await copy('part-1.parquet', "bought_at < '2024-01-05'");
  await copy('part-2.parquet', "bought_at >= '2024-01-05'");
  connection.closeSync();
  instance.closeSync();
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

const columns = ['user: customer', 'item: sku', 'rating: stars', 'timestamp: bought_at', 'items: false'];
const config = (...data: string[]) =>
  `method: mean\ndata:\n  name: csv\n  csv: {${columns.join(', ')}}\n${data.map((line) => `  ${line}\n`).join('')}`;

it('trains on files by a pattern and on a database as on one file', async () => {
  const hashes = [];
  for (const [index, data] of [
    ['path: shop/all.parquet'],
    ['path: shop/part-*.parquet'],
    ['path: shop', 'sql: {database: shop.duckdb, table: events}'],
    ['sql: {database: shop/shop.duckdb, query: SELECT * FROM events ORDER BY bought_at}'],
    ['path: shop', "sql: {query: SELECT * FROM 'part-*.parquet' ORDER BY bought_at}"],
  ].entries()) {
    await writeFile(join(cwd, 'c.yaml'), config(...data));
    const run = `run-${index}`;
    const { code, stderr } = await runCli(['train', 'c.yaml', '--run', run, '--json'], { cwd });
    expect(code, stderr).toBe(0);
    hashes.push(/"?hash"?: "?([0-9a-f]{64})/.exec(await readFile(join(cwd, run, 'result.json'), 'utf8'))?.[1]);
  }
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes).size).toBe(1);
});

it('writes a config for Parquet by init', async () => {
  const { code, stderr } = await runCli(['init', '--csv', 'shop/all.parquet', '--out', 'new.yaml'], { cwd });
  expect(code, stderr).toBe(0);
  const trained = await runCli(['train', 'new.yaml', '--set', 'method=mean', '--run', 'made', '--json'], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
});

it('refuses a password in an address without showing or keeping it', async () => {
  const before = await listing(cwd);
  const address = 'postgres://me:hunter2@localhost/shop';
  await writeFile(join(cwd, 'c.yaml'), config(`sql: {database: "${address}", table: events}`));
  for (const args of [
    ['train', 'c.yaml', '--run', 'secret'],
    ['config', 'show', 'c.yaml'],
    ['data', 'prepare', 'csv', '--out', 'secret', '--set', `data.sql.database=${address}`, '--set', 'data.sql.table=a'],
  ]) {
    const { code, stdout, stderr } = await runCli(args, { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('data.sql.database: holds a password, which would be kept in the files of runs');
    expect(stdout + stderr).not.toContain('hunter2');
  }
  expect(await listing(cwd)).toEqual(before);
});
