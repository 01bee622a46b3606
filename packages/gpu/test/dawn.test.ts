/** An add-on that does not load: the reason, and what to do, by kind of machine and fault. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { explainAddOn, loadDawn, unreadable } from '../src/node/dawn';

const linux = { platform: 'linux', arch: 'x64', glibc: true };

describe('the reason of the loader', () => {
  it.each([
    [
      'glibc that is too old',
      "/lib/libc.so.6: version `GLIBC_2.34' not found (required by dawn.node)",
      linux,
      /glibc 2.34/,
    ],
    ['an old C++ library', "libstdc++.so.6: version `GLIBCXX_3.4.30' not found", linux, /C\+\+ library of GCC 12/],
    ['musl', 'Error loading shared library ld-linux-x86-64.so.2', { ...linux, glibc: false }, /glibc.*bookworm/],
    [
      'a file that is no library',
      '/a/dawn.node: invalid ELF header',
      linux,
      /damaged or incomplete: delete node_modules/,
    ],
    ['no package', "Cannot find module 'webgpu'\nRequire stack:\n- /a", linux, /webgpu is damaged or incomplete/],
  ])('is told, with the remedy: %s', (_name, reason, machine, fix) => {
    const explained = explainAddOn(reason, machine);
    expect(explained.problem).toBe(`no usable GPU: Dawn's add-on does not load on linux-x64: ${reason.split('\n')[0]}`);
    expect(explained.fix).toMatch(fix);
  });
});

describe('the file of the add-on', () => {
  const folderOf = (path: string) => path.slice(0, path.indexOf('/dist/'));
  async function packageWith(content: Buffer): Promise<string> {
    const folder = await folderWith();
    const path = join(folder, 'dist', 'linux-x64', 'dawn.node');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  it.skipIf(process.platform !== 'linux')(
    'is seen to be cut short before it is loaded, which would end the process',
    async () => {
      const whole = await readFile(process.execPath);
      expect(unreadable(folderOf(await packageWith(whole)), linux)).toBeUndefined();
      for (const length of [0, 20, 4096, Math.floor(whole.length / 2), whole.length - 1]) {
        const path = await packageWith(whole.subarray(0, length));
        expect(unreadable(folderOf(path), linux), String(length)).toBe(`${path}: the file is cut short`);
      }
    },
  );

  it('is named when it is missing, and the platforms that it is made for when ours is not among them', async () => {
    const path = await packageWith(Buffer.alloc(64));
    expect(unreadable(folderOf(path), { platform: 'freebsd', arch: 'arm' })).toBe(
      'there is none for it, only for linux-x64',
    );
    execFileSync('rm', [path]);
    expect(unreadable(folderOf(path), linux)).toBe(`${path}: no such file`);
  });

  it('is whole in the package that is installed', async () => {
    const folder = dirname(createRequire(import.meta.url).resolve('webgpu'));
    expect(unreadable(folder, process)).toBeUndefined();
    expect(typeof (await loadDawn()).create).toBe('function');
  });
});
