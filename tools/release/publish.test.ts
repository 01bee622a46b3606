// Tests of publishing, with a program in place of npm that keeps what it was asked.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { execute, mustExecute } from '../../packages/setup/src/system.mjs';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossgate-publish-'));
  await mkdir(join(folder, 'bin'));
  await mkdir(join(folder, 'tarballs'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function pack(name: string) {
  await mkdir(join(folder, 'package'), { recursive: true });
  const manifest = { name: `@crossgate/${name}`, version: '1.2.3' };
  await writeFile(join(folder, 'package/package.json'), JSON.stringify(manifest));
  await mustExecute('tar', ['-czf', join(folder, 'tarballs', `${name}.tgz`), '-C', folder, 'package']);
}

/** Runs the script with a registry that answers `npm view` by these cases of sh. */
async function publish(cases: string, ...args: string[]) {
  const asked = join(folder, 'asked');
  const npm = `#!/bin/sh\ncase "$1 $2" in\n${cases}\npublish*) echo "$@" >> ${asked};;\nesac\n`;
  await writeFile(join(folder, 'bin/npm'), npm, { mode: 0o755 });
  const env = { ...process.env, PATH: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`, INIT_CWD: folder };
  const script = join(import.meta.dirname, 'publish.mjs');
  const { code, stdout, stderr } = await execute(process.execPath, [script, ...args], { env, cwd: folder });
  return { code, stdout, stderr, asked: await readFile(asked, 'utf8').catch(() => '') };
}

describe.skipIf(process.platform === 'win32')('publish-packages', () => {
  const there = '"view @crossgate/core@1.2.3") echo 1.2.3;;';
  const newName = '"view @crossgate/eval@1.2.3") echo "npm error code E404" >&2; exit 1;;';

  it('publishes what is not there yet: new versions, and new names', async () => {
    for (const name of ['core', 'eval', 'gpu']) await pack(name);
    const { code, stdout, asked } = await publish(`${there}\n${newName}`, 'tarballs', '--provenance');
    const options = '--access public --provenance';
    expect([code, asked]).toEqual([
      0,
      ['eval', 'gpu'].map((name) => `publish ${join(folder, 'tarballs', name)}.tgz ${options}\n`).join(''),
    ]);
    expect(stdout.trim().split('\n')).toEqual([
      '@crossgate/core@1.2.3: published already',
      '@crossgate/eval@1.2.3: published',
      '@crossgate/gpu@1.2.3: published',
    ]);
  });

  it('publishes nothing where the registry cannot be asked, and stops at a version that npm refuses', async () => {
    for (const name of ['core', 'gpu']) await pack(name);
    const silent = await publish('view*) echo "npm error code ECONNREFUSED" >&2; exit 1;;', 'tarballs');
    expect([silent.code, silent.asked]).toEqual([1, '']);
    expect(silent.stderr).toMatch(
      /^publish-packages: npm view @crossgate\/core@1\.2\.3 ended with 1: .*ECONNREFUSED\n$/,
    );
    const refused = await publish(`publish*core.tgz) exit 5;;`, 'tarballs');
    expect([refused.code, refused.asked]).toEqual([5, '']);
  });

  it('names what is wrong with its arguments', async () => {
    const empty = await publish('', 'tarballs');
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('holds no tarballs')]);
    const option = await publish('', 'tarballs', '--dry');
    expect([option.code, option.stderr]).toEqual([
      2,
      expect.stringMatching(/'--dry'.*usage: npm run publish-packages/),
    ]);
  });
});
