// Prepares generated events that are larger than memory should hold twice, and measures time and peak memory:
//   npm run -s example -- studies/large-data/main.mjs [--rows 50000000] [--folder DIR] [--out docs/results/large-data]
// Writes a Parquet file once (DIR/events-ROWS.parquet; 50 million rows take 0.7 GB), and then starts a process for each
// measurement: DuckDB alone reading all columns, DuckDB handing its columns to JavaScript, and `data prepare`. The result
// is DIR/prepared, result.json and the table on standard output. 50 million rows take some minutes, and 4 GB of disk.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareDataset } from '@crossgate/data/node';
import { DuckDBInstance } from '@duckdb/node-api';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '50000000' },
    folder: { type: 'string', default: join(tmpdir(), 'crossgate-large-data') },
    out: { type: 'string', default: 'docs/results/large-data' },
    only: { type: 'string' },
  },
});
const rows = Number(values.rows);
if (!Number.isSafeInteger(rows) || rows < 1000) throw new Error('--rows must be a whole number from 1000');
const [users, items] = [Math.ceil(rows / 25), Math.ceil(rows / 500)];
const folder = resolve(values.folder);
const file = join(folder, `events-${rows}.parquet`);

/** Events of shops: a few users and items have most rows, in the order of time, as a log has them. */
const generated = `
  SELECT CAST(floor(${users} * pow(hash(i) / 18446744073709551616.0, 2)) AS BIGINT) AS "user",
         'sku-' || CAST(floor(${items} * pow(hash(i + 1000000007) / 18446744073709551616.0, 3)) AS BIGINT) AS item,
         1 + CAST(hash(i + 2000000011) % 9 AS DOUBLE) / 2 AS rating,
         1600000000 + CAST(i * (100000000.0 / ${rows}) AS BIGINT) AS timestamp
  FROM range(${rows}) AS t(i)`;

const measurements = {
  async duckdb() {
    await withDuckDb(async (connection) => {
      await connection.run(
        `SELECT count("user"), count(DISTINCT length(item)), sum(rating), sum(timestamp), sum(hash("user")) FROM '${file}'`,
      );
    });
    return {};
  },
  async chunks() {
    let count = 0;
    await withDuckDb(async (connection) => {
      const result = await connection.stream(`SELECT * FROM '${file}'`);
      for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
        for (let column = 0; column < chunk.columnCount; column++) count += chunk.getColumnValues(column).length;
      }
    });
    return { values: count };
  },
  async prepare() {
    const dataset = await prepareDataset('csv', { source: file, out: join(folder, 'prepared') });
    const { train, valid, test } = dataset.splits;
    return {
      ...{ hash: dataset.hash, users: dataset.userCount, items: dataset.itemCount },
      splits: { train: train.rows, valid: valid.rows, test: test.rows },
      warnings: dataset.warnings,
    };
  },
};

/** @param {(connection: import('@duckdb/node-api').DuckDBConnection) => Promise<void>} use */
async function withDuckDb(use) {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: '1GB',
    temp_directory: join(folder, 'spill'),
  });
  const connection = await instance.connect();
  await use(connection);
  connection.closeSync();
  instance.closeSync();
}

if (values.only !== undefined) {
  const start = performance.now();
  const found = await measurements[/** @type {keyof typeof measurements} */ (values.only)]();
  const seconds = (performance.now() - start) / 1000;
  // On a busy machine, this says more than the time: it counts all threads, DuckDB's too, and the start of the program.
  const { user, system } = process.cpuUsage();
  // Kilobytes, of the whole life of this process.
  const peak = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(
    `${JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, rowsPerSecond: rows / seconds, peakBytes: peak, ...found })}\n`,
  );
} else {
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) {
    process.stderr.write(`writing ${file}\n`);
    await withDuckDb(async (connection) => {
      await connection.run(`COPY (${generated}) TO '${file}.partial' (FORMAT parquet)`);
    });
    renameSync(`${file}.partial`, file);
  }
  /** @type {Record<string, any>} */
  const results = {};
  for (const name of Object.keys(measurements)) {
    process.stderr.write(`measuring ${name}\n`);
    const { status, stdout } = spawnSync(
      process.execPath,
      [...process.execArgv, import.meta.filename, '--only', name, '--rows', `${rows}`, '--folder', folder],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (status !== 0) throw new Error(`${name} ended with ${status}`);
    results[name] = JSON.parse(stdout);
  }
  const [processor] = cpus();
  const report = {
    ...{ rows, fileBytes: statSync(file).size, date: new Date().toISOString().slice(0, 10) },
    machine: {
      processor: processor?.model,
      cores: cpus().length,
      memoryBytes: totalmem(),
      node: process.versions.node,
    },
    measurements: results,
  };
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'result.json'), `${JSON.stringify(report, null, 2)}\n`);
  const labels = { duckdb: 'DuckDB alone', chunks: 'DuckDB, values in JavaScript', prepare: '`data prepare`' };
  const lines = Object.entries(labels).map(([name, label]) => {
    const { seconds, cpuSeconds, rowsPerSecond, peakBytes } = results[name];
    const speed = Math.round(rowsPerSecond).toLocaleString('en-US');
    return `| ${label} | ${seconds.toFixed(1)} s | ${cpuSeconds.toFixed(1)} s | ${speed} | ${(peakBytes / 1e9).toFixed(2)} GB |`;
  });
  process.stdout.write(
    `${['| | time | of CPU | rows/s | peak memory |', '|---|---|---|---|---|', ...lines].join('\n')}\n`,
  );
}
