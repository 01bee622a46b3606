/** The data set `csv` from Parquet, JSON lines, compressed files, globs and databases: the same data, and clear errors. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findPostgres, noPostgres, type PostgresServer, startPostgres } from '@crossgate/testing/node';
import { DuckDBInstance } from '@duckdb/node-api';
import Database from 'libsql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset, DatasetOptions } from '../src/index';
import { filesLike, filesOf, loadSource, readIds } from '../src/node';
import { loadOptional } from '../src/node/optional-library';

/** Rows in no order, with times that are equal, fractions, ids beyond 2^53 and letters beyond ASCII. */
const rows = Array.from({ length: 600 }, (_, row) => {
  const user = row % 7 === 0 ? `900719925474099${row % 9}` : String((row * 37) % 83);
  const item = `${'äpfel, "süß"'.slice(0, 1 + ((row % 29) % 12))}${(row * 11) % 29}`;
  const time = new Date(1_700_000_000_000 + ((row * 7919) % 4000) * 60_250).toISOString();
  return { user, item, rating: (row % 9) / 2 + 0.5, timestamp: time };
});
type Row = (typeof rows)[number];
const names = ['user', 'item', 'rating', 'timestamp'] as const;
const field = (value: string | number) => `"${String(value).replaceAll('"', '""')}"`;
const csvOf = (of: readonly Row[]) =>
  `${[names.join(','), ...of.map((row) => names.map((name) => field(row[name])).join(','))].join('\n')}\n`;
const jsonOf = (of: readonly Row[]) =>
  of.map((row) => `${JSON.stringify({ ...row, more: { nested: [1] } })}\n`).join('');
const items = [...new Set(rows.map(({ item }) => item))].map((item, index) => ({
  ...{ item, title: `Nr. ${index} of ${item}`, price: index % 5 === 0 ? null : index / 4, kind: `k${index % 3}` },
}));
const itemsCsv = `item,title,price,kind\n${items
  .map(({ item, title, price, kind }) => [item, title, price ?? '', kind].map(field).join(','))
  .join('\n')}\n`;

let folder = '';
let server: PostgresServer | undefined;
let expected: Dataset;
const hasServer = findPostgres() !== null;
const options: DatasetOptions = { csv: { attributes: ['price', 'kind'], missing: [''] }, filter: { kCore: 3 } };

/** Runs statements of DuckDB, with the folder for relative names. */
async function duck(path: string, ...statements: string[]) {
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  await connection.run(`SET file_search_path = '${folder}'; SET TimeZone = 'UTC'`);
  for (const statement of statements) await connection.run(statement);
  connection.closeSync();
  instance.closeSync();
}

const load = (file: string, more: DatasetOptions = {}) =>
  loadSource('csv', folder, { ...options, ...more, csv: { ...options.csv, interactions: file, ...more.csv } });
const query = (sql: DatasetOptions['sql'], more: DatasetOptions = {}) =>
  loadSource('csv', folder, { ...options, ...more, sql });
/** The message of a refusal, with the folder as `~`. */
const refusal = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'nothing is refused',
    (error: Error) => `${(error as { code?: string }).code} ${error.message.replaceAll(folder, '~')}`,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossgate-tables-'));
  const write = (name: string, text: string | Buffer) => writeFile(join(folder, name), text);
  await mkdir(join(folder, 'parts/b'), { recursive: true });
  await write('events.csv', csvOf(rows));
  await write('items.csv', itemsCsv);
  await write('packed.csv.gz', gzipSync(csvOf(rows)));
  await write('events.jsonl', jsonOf(rows));
  await write('packed.ndjson.gz', gzipSync(jsonOf(rows)));
  await write('parts/1.csv', csvOf(rows.slice(0, 100)));
  await write('parts/2.jsonl', jsonOf(rows.slice(100, 250)));
  await write('parts/b/3.csv.gz', gzipSync(csvOf(rows.slice(250))));
  await write('parts/b/.hidden.csv', 'not,to,read\n');
  const text = `read_csv('events.csv', header = true, columns = {user: 'VARCHAR', item: 'VARCHAR', rating: 'DOUBLE', timestamp: 'VARCHAR'})`;
  const typed = `SELECT CAST("user" AS BIGINT) AS "user", item, CAST(rating AS FLOAT) AS rating, CAST(timestamp AS TIMESTAMPTZ) AS timestamp FROM ${text}`;
  const titles = `read_csv('items.csv', header = true, columns = {item: 'VARCHAR', title: 'VARCHAR', price: 'DOUBLE', kind: 'VARCHAR'})`;
  await duck(
    ':memory:',
    `COPY (${typed}) TO '${folder}/events.parquet' (ROW_GROUP_SIZE 2048)`,
    `COPY (SELECT CAST("user" AS VARCHAR) AS who, item, rating > 3 AS good, CAST(timestamp AS TIMESTAMP) AS at FROM (${typed})) TO '${folder}/labels.parquet'`,
    `COPY (SELECT * FROM ${text}) TO '${folder}/packed.csv.zst' (HEADER, COMPRESSION zstd)`,
    `COPY (SELECT * FROM ${titles}) TO '${folder}/items.parquet'`,
    `COPY (SELECT "user", struct_pack(id := item) AS item, rating, timestamp FROM (${typed})) TO '${folder}/nested.parquet'`,
    `COPY (SELECT 1.5 AS "user", item, rating, timestamp FROM (${typed})) TO '${folder}/fraction.parquet'`,
    `COPY (SELECT CASE WHEN "user" = 37 THEN NULL ELSE "user" END AS "user", item, rating, timestamp FROM (${typed})) TO '${folder}/null.parquet'`,
  );
  await duck(
    join(folder, 'shop.duckdb'),
    `CREATE TABLE events AS ${typed}`,
    `CREATE SCHEMA of_shop; CREATE TABLE of_shop.items AS SELECT * FROM ${titles}`,
  );
  const lite = new Database(join(folder, 'shop.sqlite'));
  lite.exec('CREATE TABLE events (user, item TEXT, rating REAL, timestamp TEXT)');
  lite.exec('CREATE TABLE items (item TEXT, title TEXT, price REAL, kind TEXT); BEGIN');
  const insert = lite.prepare('INSERT INTO events VALUES (?, ?, ?, ?)');
  for (const row of rows) insert.run(BigInt(row.user), row.item, row.rating, row.timestamp);
  const insertItem = lite.prepare('INSERT INTO items VALUES (?, ?, ?, ?)');
  for (const { item, title, price, kind } of items) insertItem.run(item, title, price, kind);
  lite.exec('COMMIT');
  lite.close();
  await chmod(folder, 0o755);
  if (hasServer) {
    await mkdir(join(folder, 'postgres'));
    server = await startPostgres(join(folder, 'postgres'));
    process.env.PGPASSWORD = server.password;
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(
      `CREATE TABLE events (place serial, "user" bigint, item text, rating numeric(3,1), "timestamp" timestamptz);
       CREATE TABLE items (item varchar(40), title text, price double precision, kind name);
       CREATE TABLE odd (place int, "user" int[], item bytea)`,
    );
    await client.query(
      `INSERT INTO events ("user", item, rating, "timestamp")
       SELECT "user"::bigint, item, rating, "timestamp"::timestamptz
       FROM json_to_recordset($1) AS x("user" text, item text, rating numeric, "timestamp" text)`,
      [JSON.stringify(rows)],
    );
    await client.query(
      'INSERT INTO items SELECT * FROM json_to_recordset($1) AS x(item text, title text, price float8, kind text)',
      [JSON.stringify(items)],
    );
    await client.end();
  }
  expected = await load('events.csv');
}, 120_000);
afterAll(async () => {
  delete process.env.PGPASSWORD;
  await server?.kill();
  await rm(folder, { recursive: true, force: true });
});

/** Equal hashes say that ids, titles, rows, their order and their splits are equal. */
function expectSame(dataset: Dataset) {
  expect(dataset.hash).toBe(expected.hash);
  expect(dataset.attributes).toEqual(expected.attributes);
  expect(dataset.recipe).toEqual(expected.recipe);
}

describe('the same data', () => {
  it('is what the tests of this file need', () => {
    expect(expected.splits.train.rows).toBeGreaterThan(300);
    expect(expected.splits.test.rows).toBeGreaterThan(30);
    expect(new Set(expected.splits.train.label)).toEqual(new Set([0, 1]));
    expect(expected.users).toContain('9007199254740993');
  });

  it.each([
    'events.parquet',
    'events.jsonl',
    'packed.csv',
    'packed.csv.gz',
    'packed.ndjson.gz',
    'packed.csv.zst',
    'parts/**/?.*',
  ])('comes from %s', async (file) => {
    expectSame(await load(file));
  });

  it('comes from titles in Parquet, and from a path to the file or a pattern', async () => {
    expectSame(await load('events.parquet', { csv: { items: 'items.parquet' } }));
    const titles = { csv: { ...options.csv, items: '../items.csv' } };
    expectSame(await loadSource('csv', join(folder, 'parts/**/?.*'), { ...options, ...titles }));
    expectSame(await loadSource('csv', join(folder, 'events.parquet'), options));
  });

  it('comes from other columns of other types', async () => {
    const columns = { csv: { user: 'who', label: 'good', timestamp: 'at' } };
    const dataset = await load('labels.parquet', columns);
    expect(dataset.hash).toBe(expected.hash);
  });

  it('says that options for the form of CSV do not apply', async () => {
    const form = { csv: { ...options.csv, encoding: 'utf-8', header: true } };
    const remark = (of: string) => `${of} is no CSV, so it is read without data.csv.encoding and data.csv.header`;
    expect((await load('events.parquet', form)).warnings).toContain(remark('events.parquet'));
    expect((await load('packed.csv.zst', form)).warnings.join()).not.toContain('is no CSV');
    expect((await load('events.parquet')).warnings.join()).not.toContain('is no CSV');
  });

  it('comes from a query over files', async () => {
    expectSame(await query({ query: `SELECT * FROM 'events.parquet';` }));
    const ordered = `SELECT * FROM read_csv('events.csv', all_varchar = true) ORDER BY timestamp, "user", item`;
    expect((await query({ query: ordered })).warnings.join()).not.toContain('ORDER BY');
    const warned = await query({ query: `SELECT * FROM 'events.parquet'` });
    expect(warned.warnings.join()).toMatch(/data\.sql\.query: nothing fixes the order.*ORDER BY does/);
  });

  it('comes from DuckDB and SQLite', async () => {
    expectSame(await query({ database: 'shop.duckdb', table: 'events', itemsTable: 'of_shop.items' }));
    expectSame(await query({ database: 'shop.sqlite', table: 'events', itemsTable: 'items' }));
    expectSame(await query({ database: join(folder, 'shop.sqlite'), query: 'SELECT * FROM events ORDER BY rowid' }));
    const dataset = await query({ database: 'shop.duckdb', table: 'main.events' });
    expect(dataset.warnings.join()).not.toContain('ORDER BY');
  });

  it.skipIf(!hasServer)(`comes from PostgreSQL${hasServer ? '' : ` (${noPostgres})`}`, async () => {
    const database = server!.url;
    const query1 = `SELECT * FROM events ORDER BY place`;
    expectSame(await query({ database, query: query1, itemsTable: 'public.items' }));
    const byTable = await query({ database, table: 'events', itemsQuery: 'SELECT * FROM items' });
    expectSame(byTable);
    expect(byTable.warnings.join('\n')).toContain('data.sql.table: nothing fixes the order');
  });

  it('leaves nothing of DuckDB behind', async () => {
    const left = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('crossgate-duckdb-'));
    const before = await left();
    await load('events.parquet');
    await refusal(load('fraction.parquet'));
    expect((await left()).filter((name) => !before.includes(name))).toEqual([]);
  });
});

describe('refuses', () => {
  it('columns that are missing or of a type that does not fit', async () => {
    expect(await refusal(load('events.parquet', { csv: { user: 'customer' } }))).toBe(
      'csv.column events.parquet: column customer is missing (there are user, item, rating, timestamp); set data.csv.user: user, which looks like it',
    );
    expect(await refusal(load('nested.parquet'))).toBe(
      'csv.column nested.parquet: column item is STRUCT(id VARCHAR), which is neither a text nor a number; write CAST("item" AS VARCHAR) in a query (data.sql.query)',
    );
    expect(await refusal(load('fraction.parquet'))).toContain(
      'csv.column fraction.parquet: column user is DECIMAL(2,1); ids are texts or whole numbers; write CAST("user" AS BIGINT)',
    );
    expect(await refusal(load('events.parquet', { csv: { timeFormat: 'seconds' } }))).toContain(
      'column timestamp is TIMESTAMP WITH TIME ZONE, which needs no data.csv.timeFormat; leave it out',
    );
    expect(await refusal(load('events.parquet', { csv: { item: 'timestamp', timestamp: false } }))).toContain(
      'ids are texts or whole numbers',
    );
  });

  it('values, naming the row', async () => {
    const row = rows.findIndex(({ user }) => user === '37') + 1;
    expect(row).toBeGreaterThan(1);
    expect(await refusal(load('null.parquet', { csv: { missing: null } }))).toBe(
      `csv.value null.parquet:row ${row}: user is empty`,
    );
    await writeFile(join(folder, 'parts/2.jsonl.bad'), '');
    await mkdir(join(folder, 'bad'));
    await writeFile(join(folder, 'bad/1.csv'), csvOf(rows.slice(0, 3)));
    await writeFile(
      join(folder, 'bad/2.jsonl'),
      `${jsonOf(rows.slice(3, 5))}{"user": 1, "item": "${rows[0]!.item}", "rating": "good", "timestamp": 1}\n`,
    );
    expect(await refusal(load('bad/*', { split: { by: 'ratio' } }))).toMatch(
      /^csv\.value bad\/2\.jsonl:row 3: rating must be .*"good"/,
    );
  });

  it('files that are not there, empty, damaged or cut short', async () => {
    const cut = async (name: string, share: number, to: string) => {
      const bytes = await readFile(join(folder, name));
      await writeFile(join(folder, to), bytes.subarray(0, Math.round(share * bytes.length)));
    };
    await cut('events.parquet', 0.5, 'cut.parquet');
    await cut('packed.csv.gz', 0.5, 'cut.csv.gz');
    await cut('packed.ndjson.gz', 0.5, 'cut.jsonl.gz');
    await cut('packed.csv.zst', 0.5, 'cut.csv.zst');
    await cut('events.parquet', 0, 'none.parquet');
    await cut('events.jsonl', 0, 'none.jsonl');
    const lines = jsonOf(rows).split('\n');
    await writeFile(
      join(folder, 'broken.jsonl'),
      [...lines.slice(0, 41), '{"user": 1, "item"', ...lines.slice(41)].join('\n'),
    );
    expect(await refusal(load('cut.parquet'))).toMatch(
      /^file\.damaged cut\.parquet: is no Parquet, or damaged or cut short \(DuckDB: .*\); fetch or write it again$/,
    );
    expect(await refusal(load('none.parquet'))).toContain('file.damaged none.parquet: ');
    expect(await refusal(load('none.jsonl'))).toContain('csv.empty none.jsonl: holds no objects with columns');
    expect(await refusal(load('cut.csv.gz'))).toContain('file.damaged ~/cut.csv.gz: damaged or cut short gzip');
    expect(await refusal(load('cut.jsonl.gz'))).toContain('file.damaged cut.jsonl.gz: damaged or cut short gzip');
    expect(await refusal(load('cut.csv.zst'))).toContain('file.damaged cut.csv.zst: damaged or cut short zstd');
    expect(await refusal(load('broken.jsonl'))).toContain('file.damaged broken.jsonl:row 42: is no JSON');
    expect(await refusal(load('gone/*.parquet'))).toContain('data.not-found ~/gone/*.parquet: no such file; csv needs');
    expect(await refusal(loadSource('csv', join(folder, 'gone-*.parquet'), options))).toContain('data.not-found');
    expect(await refusal(load('gone.parquet'))).toContain('data.not-found ~/gone.parquet');
  });

  it('options of SQL that exclude each other, and passwords', async () => {
    const sql = (given: DatasetOptions['sql'], csv: DatasetOptions['csv'] = {}) =>
      refusal(loadSource('csv', folder, { csv, sql: given }));
    expect(await sql({ database: 'shop.duckdb' })).toContain('data.sql.query: is needed to know which rows');
    expect(await sql({ database: 'shop.duckdb', table: 'a', query: 'b' })).toContain('are two sources; leave one out');
    expect(await sql({ table: 'events' })).toContain('data.sql.table: is a table of no database');
    expect(await sql({ query: ' ; ' })).toContain('data.sql.query: is empty');
    expect(await sql({ query: 'SELECT 1' }, { interactions: 'events.csv' })).toContain(
      'data.csv.interactions: is not read with data.sql.query; leave one out',
    );
    for (const database of ['postgres://me:hunter2@host/shop', 'postgresql://host/shop?password=hunter2']) {
      const told = await sql({ database, table: 'events' });
      expect(told).toContain('data.sql.database: holds a password');
      expect(told).not.toContain('hunter2');
    }
  });

  it('databases and queries that cannot be read', async () => {
    await writeFile(join(folder, 'no.duckdb'), 'certainly no database, but text of some length');
    expect(await refusal(query({ database: 'gone.duckdb', table: 'events' }))).toContain(
      'data.not-found ~/gone.duckdb',
    );
    expect(await refusal(query({ database: 'no.duckdb', table: 'events' }))).toMatch(
      /^data\.query ~\/no\.duckdb: cannot be opened as a database/,
    );
    expect(await refusal(query({ database: 'shop.duckdb', table: 'event' }))).toMatch(
      /^data\.query data\.sql\.table: is refused by DuckDB: .*event does not exist.*; correct it; it is asked of ~\/shop\.duckdb$/,
    );
    expect(await refusal(query({ query: 'SELEC 1' }))).toMatch(
      /^data\.query data\.sql\.query: is refused by DuckDB: .*syntax/,
    );
    expect(await refusal(query({ query: `SELECT * FROM 'gone.parquet'` }))).toContain('data.query data.sql.query: ');
    expect(await refusal(query({ database: 'shop.sqlite', query: 'SELECT * FROM gone' }))).toMatch(
      /^data\.query data\.sql\.query: is refused by SQLite: .*no such table: gone.*; correct it; it is asked of shop\.sqlite$/,
    );
    expect(await refusal(query({ database: 'shop.sqlite', query: 'DELETE FROM events' }))).toContain(
      'is refused by SQLite',
    );
    expect(
      await refusal(
        query({ database: 'shop.sqlite', query: `SELECT x'00' AS user, 'a' AS item, 5 AS rating, 0 AS timestamp` }),
      ),
    ).toContain('data.sql.query:row 1: column user holds bytes (BLOB)');
  });

  it.skipIf(!hasServer)(`what PostgreSQL refuses${hasServer ? '' : ` (${noPostgres})`}`, async () => {
    const database = server!.url;
    expect(await refusal(query({ database, query: 'SELECT * FROM gone' }))).toMatch(
      /^data\.query data\.sql\.query: is refused by PostgreSQL: relation "gone" does not exist \(42P01\); correct it; it is asked of postgres:\/\/127\.0\.0\.1:\d+\/postgres$/,
    );
    expect(await refusal(query({ database, query: 'DELETE FROM events RETURNING *' }))).toContain(
      'is refused by PostgreSQL',
    );
    expect(
      await refusal(
        query(
          { database, query: 'SELECT 1/(2 - place) AS "user", item FROM events', itemsTable: 'items' },
          { csv: { implicit: true, timestamp: false }, split: { by: 'ratio' } },
        ),
      ),
    ).toContain('division by zero');
    expect(
      await refusal(query({ database, table: 'odd' }, { csv: { implicit: true }, split: { by: 'ratio' } })),
    ).toContain('csv.column odd: column user is a type of number 1007');
    const { password } = server!;
    process.env.PGPASSWORD = 'wrong';
    const wrong = await refusal(query({ database, table: 'events' }));
    process.env.PGPASSWORD = password;
    expect(wrong).toMatch(
      /^data\.query postgres:\/\/127\.0\.0\.1:\d+\/postgres: no connection to the server \(password.*set PGPASSWORD/,
    );
    expect(await refusal(query({ database: 'postgres://me@127.0.0.1:1/shop', table: 'events' }))).toMatch(
      /^data\.query postgres:\/\/127\.0\.0\.1:1\/shop: no connection to the server \(connect ECONNREFUSED.*check that it runs/,
    );
  });
});

it('patterns stand for names in order, without hidden ones', async () => {
  expect(await filesLike(folder, 'parts/**/*.csv*')).toEqual(['parts/1.csv', 'parts/b/3.csv.gz']);
  expect(await filesLike(folder, '*/?.jsonl')).toEqual(['bad/2.jsonl', 'parts/2.jsonl']);
  expect(await filesLike(folder, 'gone/*')).toEqual([]);
  expect(await filesLike(folder, 'parts/b/.h*')).toEqual(['parts/b/.hidden.csv']);
});

describe('ids of a file', () => {
  const all = rows.map(({ user, item }) => [item, user]);
  const read = async (path: string) => {
    const found: (readonly string[])[] = [];
    const places: string[] = [];
    for await (const { ids, at } of readIds(path, ['item', 'user'])) {
      for (const [index, values] of ids.entries()) {
        found.push(values);
        places.push(at(index).replace(folder, '~'));
      }
    }
    return { found, last: places.at(-1) };
  };

  it.each([
    ['packed.csv.gz', '~/packed.csv.gz:601'],
    ['events.jsonl', '~/events.jsonl:row 600'],
    ['events.parquet', '~/events.parquet:row 600'],
  ])('are read of %s, with their places', async (name, last) => {
    expect(await read(join(folder, name))).toEqual({ found: all, last });
  });

  it.each([
    ['fraction.parquet', /^csv\.column ~\/fraction\.parquet: column user is DECIMAL.*; write it with another type$/],
    ['items.parquet', /: column user is missing \(there are item, title, .*\); write it with the columns item, user$/],
    ['items.csv', /^csv\.column ~\/items\.csv:1: column user is missing; the header must name item, user/],
    ['gone.parquet', /^file\.not-found ~\/gone\.parquet: Parquet not found/],
  ])('are refused in %s', async (name, words) => {
    expect(await refusal(read(join(folder, name)))).toMatch(words);
  });

  it('are those of several files by a pattern, unless a file has the name', async () => {
    const names = await filesOf(join(folder, 'parts/**/*.csv*'));
    expect(names).toEqual(['1.csv', 'b/3.csv.gz'].map((name) => join(folder, 'parts', name)));
    const [one, three] = await Promise.all(names.map(read));
    expect([...one!.found, ...three!.found]).toEqual([...all.slice(0, 100), ...all.slice(250)]);
    await writeFile(join(folder, 'odd[?].csv'), '');
    expect(await filesOf(join(folder, 'odd[?].csv'))).toEqual([join(folder, 'odd[?].csv')]);
    expect(await filesOf('absent.csv')).toEqual(['absent.csv']);
    expect(await refusal(filesOf(join(folder, 'gone/*.csv')))).toMatch(/~\/gone\/\*\.csv: no file has such a name/);
  });
});

it('libraries that are not there, or have no build for this system, are named with the remedy', async () => {
  const fail = (message: string) =>
    refusal(loadOptional(() => Promise.reject(new Error(message)), '@duckdb/node-api', 'Parquet'));
  expect(await fail(`Cannot find package '@duckdb/node-api' imported from /x.js`)).toBe(
    'data.reader Parquet is read by @duckdb/node-api, which is not installed; npm install @duckdb/node-api, or write the data as CSV',
  );
  expect(await fail(`Cannot find module '@duckdb/node-bindings-linux-riscv64/duckdb.node'\nRequire stack: …`)).toBe(
    `data.reader Parquet is read by @duckdb/node-api, which does not load on ${process.platform}-${process.arch} (Cannot find module '@duckdb/node-bindings-linux-riscv64/duckdb.node'); install it again on this machine, or write the data as CSV`,
  );
});
