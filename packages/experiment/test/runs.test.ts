/** Run folders: locks, checkpoints, the metrics log cut back on resume, TensorBoard records. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { acquireLock } from '@crossgate/files';
import { folderWith, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../src/config/load';
import { readMetrics } from '../src/runs/metrics-log';
import { RunFolder } from '../src/runs/run-folder';
import { crc32c, maskedCrc, scalarEvent, tfRecord } from '../src/runs/tensorboard';

const provenance = { crossgate: '0', node: 'v20', platform: 'test', adapter: null, dataHash: 'abc' };

/** What these tests store in a checkpoint. */
const stepState = z.object({ step: z.number() });

async function meanConfig(set: string[] = []) {
  const cwd = await folderWith({ 'mine.yaml': 'method: mean\n' });
  return loadConfig('mine.yaml', { cwd, set });
}

describe('tensorboard', () => {
  it('has the checksum of RFC 3720', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  });

  it('frames records as TFRecord does', () => {
    const record = tfRecord(Uint8Array.of(1, 2, 3));
    const view = new DataView(record.buffer);
    expect(record.length).toBe(8 + 4 + 3 + 4);
    expect(view.getBigUint64(0, true)).toBe(3n);
    expect(view.getUint32(8, true)).toBe(maskedCrc(record.slice(0, 8)));
    expect(view.getUint32(15, true)).toBe(maskedCrc(Uint8Array.of(1, 2, 3)));
  });

  it('encodes a scalar event byte for byte', () => {
    // Event { wall_time: 1.5, step: 300, summary { value { tag: "a", simple_value: 0.5 } } }
    const expected = [
      ...[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f],
      ...[0x10, 0xac, 0x02],
      ...[0x2a, 0x0a, 0x0a, 0x08, 0x0a, 0x01, 0x61, 0x15, 0, 0, 0, 0x3f],
    ];
    expect([...scalarEvent(1.5, 300, { a: 0.5 }).slice(12, -4)]).toEqual(expected);
  });
});

describe('lock', () => {
  it('keeps a second holder out and can be taken again after release', async () => {
    const path = join(await folderWith(), 'run.lock');
    const lock = await acquireLock(path);
    await expect(acquireLock(path)).rejects.toThrow(/process \d+ .* is writing this run/);
    await lock.release();
    await (await acquireLock(path)).release();
    expect(existsSync(path)).toBe(false);
  });

  it('is taken over from a process that is gone', async () => {
    const path = join(await folderWith(), 'run.lock');
    const child = spawn(process.execPath, ['-e', '']);
    const pid = child.pid!;
    await new Promise((resolve) => child.on('exit', resolve));
    await writeFile(path, JSON.stringify({ pid, host: hostname(), started: null }));
    await (await acquireLock(path)).release();
  });

  it.runIf(process.platform === 'linux')(
    'is taken over when the process id belongs to another process now',
    async () => {
      const path = join(await folderWith(), 'run.lock');
      await writeFile(path, JSON.stringify({ pid: process.pid, host: hostname(), started: '1' }));
      await (await acquireLock(path)).release();
    },
  );

  it('is believed when it comes from another machine', async () => {
    const path = join(await folderWith(), 'run.lock');
    await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', started: null }));
    await expect(acquireLock(path)).rejects.toThrow(/elsewhere/);
  });
});

describe('RunFolder', () => {
  it('cuts the log back to the checkpoint on resume', async () => {
    const path = join(await folderWith(), 'run');
    const config = await meanConfig();
    const first = await RunFolder.open(path, config, { resume: false });
    await first.begin(config, provenance);
    first.appendMetrics({ phase: 'stage1', step: 1, loss: 3 });
    first.appendMetrics({ phase: 'stage1', step: 2, loss: 2 });
    await first.saveCheckpoint('last', { step: 2 }, 'weights 2');
    first.appendMetrics({ phase: 'stage1', step: 3, loss: 1 });
    // As after a kill: no close, an unfinished line, a stale lock.
    await writeFile(join(path, 'metrics.jsonl'), `${await readFile(join(path, 'metrics.jsonl'), 'utf8')}{"phase":"sta`);
    await first.close();

    const second = await RunFolder.open(path, config, { resume: true });
    await second.begin(config, provenance);
    const checkpoint = await second.readCheckpoint('last', stepState);
    expect(checkpoint?.state.step).toBe(2);
    expect(await readFile(checkpoint!.weights, 'utf8')).toBe('weights 2');
    second.appendMetrics({ phase: 'stage1', step: 3, loss: 0.5 });
    await second.close();
    const records = readMetrics(join(path, 'metrics.jsonl'));
    expect(records.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 3],
      [2, 2],
      [3, 0.5],
    ]);
    const boards = readdirSync(join(path, 'tensorboard'));
    expect(boards).toHaveLength(1);
    const bytes = readFileSync(join(path, 'tensorboard', boards[0]!));
    let records2 = 0;
    for (let offset = 0; offset < bytes.length; offset += 16 + Number(bytes.readBigUInt64LE(offset))) records2++;
    expect(records2).toBe(1 + 3);
  });

  it('keeps one whole checkpoint per name, also when a write fails', async () => {
    const path = join(await folderWith(), 'run');
    const config = await meanConfig();
    const run = await RunFolder.open(path, config, { resume: false });
    await run.begin(config, provenance);
    for (const step of [1, 2, 3]) {
      await run.saveCheckpoint('last', { step }, `weights ${step}`);
    }
    const failure = run.saveCheckpoint(
      'last',
      { step: 4 },
      (function* () {
        yield 'half';
        throw new Error('disk full');
      })(),
    );
    await expect(failure).rejects.toThrow('disk full');
    expect(await listing(join(path, 'checkpoints'))).toHaveLength(2);
    const checkpoint = await run.readCheckpoint('last', stepState);
    expect(checkpoint?.state.step).toBe(3);
    expect(await readFile(checkpoint!.weights, 'utf8')).toBe('weights 3');
    await run.close();
  });

  it('refuses another config, other data, and folders that are not its own', async () => {
    const root = await folderWith({ 'foreign/notes.txt': 'mine' });
    const path = join(root, 'run');
    const config = await meanConfig();
    const run = await RunFolder.open(path, config, { resume: false });
    await run.begin(config, provenance);
    await expect(RunFolder.open(path, config, { resume: true })).rejects.toThrow(/is writing this run/);
    await run.close();
    await expect(RunFolder.open(path, config, { resume: false })).rejects.toThrow(/--resume/);
    const other = await meanConfig(['cf.cfDim=3']);
    await expect(RunFolder.open(path, other, { resume: true })).rejects.toThrow(/cf\.cfDim was 128 and is now 3/);
    const moved = await meanConfig(['data.path=/elsewhere']);
    const again = await RunFolder.open(path, moved, { resume: true });
    await expect(again.begin(moved, { ...provenance, dataHash: 'def' })).rejects.toThrow(/other data/);
    await again.close();
    await expect(RunFolder.open(join(root, 'foreign'), config, { resume: false })).rejects.toThrow(/not a run/);
    expect(await listing(join(root, 'foreign'))).toEqual(['notes.txt']);
    await expect(RunFolder.open(join(root, 'foreign'), config, { resume: true })).rejects.toThrow(/not a run/);
  });

  it('starts anew where a process was killed before it wrote its config', async () => {
    const root = await folderWith({ 'run/run.lock': '', 'run/.config.yaml.1-00.partial': 'meth' });
    const config = await meanConfig();
    for (const resume of [false, true]) {
      const run = await RunFolder.open(join(root, 'run'), config, { resume });
      await run.begin(config, provenance);
      await run.abandon();
    }
    const fresh = await RunFolder.open(join(root, 'none'), config, { resume: true });
    await fresh.abandon();
    expect(existsSync(join(root, 'none'))).toBe(false);
  });

  it('leaves nothing after a failure without a checkpoint, and everything after one with', async () => {
    const root = await folderWith();
    const config = await meanConfig();
    const path = join(root, 'run');
    const first = await RunFolder.open(path, config, { resume: false });
    await first.begin(config, provenance);
    await first.abandon();
    expect(await listing(root)).toEqual([]);
    const second = await RunFolder.open(path, config, { resume: false });
    await second.begin(config, provenance);
    await second.saveCheckpoint('last', {}, '');
    await second.abandon();
    expect(parse(await readFile(join(path, 'config.yaml'), 'utf8'))).toMatchObject({ method: 'mean', provenance });
    expect(await listing(path)).toContain(join('checkpoints', 'last.json'));
  });
});
