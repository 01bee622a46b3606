/** Files that are not what they seem: pipes, devices, files of gigabytes; and tables with a column twice. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { folderWith, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

const posix = process.platform !== 'win32';

describe.skipIf(!posix)('a config', () => {
  it('that is a pipe is refused at once', { timeout: 10_000 }, async () => {
    const cwd = await folderWith({ 'c.yaml': 'extends: pipe\nmethod: mean\n' });
    await promisify(execFile)('mkfifo', [join(cwd, 'pipe')]);
    for (const config of ['pipe', 'c.yaml']) {
      const { code, stdout, stderr } = await runCli(['config', 'show', config], { cwd });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: .*pipe: is a pipe or a device, but a config file is needed.*\n$/);
    }
  });

  it('that is a device is not an empty one', async () => {
    const { code, stderr } = await runCli(['config', 'show', '/dev/null'], { cwd: await folderWith() });
    expect(code).toBe(2);
    expect(stderr).toMatch(/\/dev\/null: is a pipe or a device/);
  });

  it.each([2 ** 20 + 1, 5 * 2 ** 30])('of %d bytes is not read', async (size) => {
    const cwd = await folderWith({ 'big.yaml': '' });
    await truncate(join(cwd, 'big.yaml'), size);
    const { code, stdout, stderr } = await runCli(['config', 'show', 'big.yaml'], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^error: .*big\\.yaml: its ${size} bytes are more than the 1048576 .*\n$`));
  });
});

describe('metrics', () => {
  it.skipIf(!posix)('reads a pipe', { timeout: 10_000 }, async () => {
    const cwd = await folderWith();
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    spawn('sh', ['-c', 'printf "user,label,score\\na,1,.9\\na,0,.1\\n" > pipe'], { cwd });
    const { code, stdout } = await runCli(['metrics', 'pipe', '--json'], { cwd });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 2, auc: 1 });
  });

  it.each(['logit', 'seen', 'score'])('refuses two columns named %s', async (column) => {
    const cwd = await folderWith({ 's.csv': `user,label,score,logit,seen,${column}\na,1,1,1,1,0\n` });
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli(['metrics', 's.csv'], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`s\\.csv:1: column ${column} stands twice in the header`));
    expect(await listing(cwd)).toEqual(before);
  });
});
