/** Programs that tests start: found, installed, or said to be missing, and never a failure. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { execute } from '../../packages/setup/src/system.mjs';
import { chromiumNames, findChromium } from '../../packages/testing/src/chromium';
import { findMpirun } from '../../packages/testing/src/mpi';
import { findNats } from '../../packages/testing/src/nats';
import { findPostgres } from '../../packages/testing/src/postgres';
import { findShellcheck } from '../../packages/testing/src/shellcheck';
import { ensureProgram } from './debian-program.mjs';
import { testPrograms } from './test-programs.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'crossgate-chromium-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, text = '#!/bin/sh\n', mode = 0o755) => {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
  return join(folder, name);
};
const env = () => ({ PATH: `/nowhere:${folder}` });
const done = { code: 0, signal: null, stdout: '', stderr: '' };

describe('ensureProgram', () => {
  /** What apt-get was asked for, with answers in turn. */
  function apt(...answers: (Partial<typeof done> | (() => void))[]) {
    const asked: string[] = [];
    const run: typeof execute = async (command, args, options) => {
      expect([command, options?.env?.DEBIAN_FRONTEND]).toEqual([join(folder, 'apt-get'), 'noninteractive']);
      expect(options?.timeout).toBeGreaterThan(0);
      const answer = answers[asked.length];
      asked.push(args.filter((word) => !word.startsWith('-')).join(' '));
      if (typeof answer === 'function') answer();
      return { ...done, ...(typeof answer === 'function' ? {} : answer) };
    };
    return { asked, run };
  }

  it('takes what is there, by the same names as the tests', async () => {
    expect(testPrograms.chromium.names).toEqual(chromiumNames);
    const program = put('google-chrome');
    const { asked, run } = apt();
    expect(await ensureProgram(testPrograms.chromium, { env: env(), root: true, run })).toEqual({ program });
    expect(findChromium(env())).toBe(program);
    expect(asked).toEqual([]);
  });

  it('installs it as root where apt-get is there', async () => {
    put('apt-get');
    const { asked, run } = apt({}, () => put('chromium'));
    expect(await ensureProgram(testPrograms.chromium, { env: env(), root: true, run })).toEqual({
      program: join(folder, 'chromium'),
    });
    expect(asked).toEqual(['update', 'DPkg::Lock::Timeout=60 install chromium']);
  });

  it('says why it cannot, and asks for nothing in vain', async () => {
    const { asked, run } = apt({}, { code: 100, stderr: 'W: no\nE: Unable to locate package chromium\nE: more\n' });
    expect(await ensureProgram(testPrograms.chromium, { env: env(), root: true, run })).toEqual({
      reason: 'no Chromium, and no apt-get to install it with',
    });
    put('apt-get');
    expect(await ensureProgram(testPrograms.chromium, { env: env(), root: false, run })).toEqual({
      reason: 'no Chromium, and only root can install it',
    });
    expect(asked).toEqual([]);
    expect(await ensureProgram(testPrograms.chromium, { env: env(), root: true, run })).toEqual({
      reason: 'no Chromium: apt-get install chromium ended with 100: E: Unable to locate package chromium',
    });
    expect(await ensureProgram(testPrograms.chromium, { env: env(), root: true, run: apt().run })).toMatchObject({
      reason: 'apt-get installed chromium, but no such program is on the path',
    });
  });

  it.each([
    [testPrograms.nats, findNats],
    [testPrograms.openmpi, findMpirun],
    [testPrograms.shellcheck, findShellcheck],
  ])('finds and installs others in the same way: $label', async (wanted, find) => {
    const before = apt();
    put('apt-get');
    const [name] = wanted.names;
    const { asked, run } = apt({}, () => put(name));
    const program = join(folder, name);
    expect(find(env())).toBeNull();
    expect(await ensureProgram(wanted, { env: env(), root: true, run })).toEqual({ program });
    expect(asked).toEqual(['update', `DPkg::Lock::Timeout=60 install ${wanted.package}`]);
    expect(find(env())).toBe(program);
    expect(await ensureProgram(wanted, { env: env(), root: true, run: before.run })).toEqual({ program });
    expect(before.asked).toEqual([]);
    expect(() => find({ [wanted.variable]: '/nowhere' })).toThrow('/nowhere, which is no program');
  });

  it('finds PostgreSQL on the path before where Debian puts it', async () => {
    const program = put('postgres');
    expect(await ensureProgram(testPrograms.postgres, { env: env(), root: true, run: apt().run })).toEqual({ program });
    expect(findPostgres(env())).toBe(program);
    expect(() => findPostgres({ CROSSGATE_POSTGRES: '/nowhere' })).toThrow('/nowhere, which is no program');
  });

  it('never fails the command that calls it', () => {
    put('apt-get', '#!/bin/sh\necho "E: no network" >&2\nexit 100\n');
    const script = fileURLToPath(new URL('test-programs.mjs', import.meta.url));
    const out = execFileSync('/bin/sh', ['-c', '"$0" "$1" 2>&1', process.execPath, script], {
      env: env(),
      encoding: 'utf8',
    });
    expect(out).toMatch(
      /^setup: no Chromium.*; tests in a browser are skipped\nsetup: no nats-server.*; tests of work queues are /,
    );
    expect(out).toMatch(/setup: no mpirun.*; tests of ranks are skipped\n/);
    expect(out).toMatch(/setup: no shellcheck.*; checks of scripts for Slurm are skipped\n$/);
  });
});

describe('findChromium', () => {
  it('takes what CROSSGATE_CHROMIUM names before all, and refuses what is no program', () => {
    put('chromium');
    const other = put('other');
    expect(findChromium({ ...env(), CROSSGATE_CHROMIUM: other })).toBe(other);
    const text = put('text', '', 0o644);
    for (const named of [text, folder, '/nowhere/chromium']) {
      expect(() => findChromium({ ...env(), CROSSGATE_CHROMIUM: named })).toThrow(`${named}, which is no program`);
    }
    expect(findChromium({ ...env(), CROSSGATE_CHROMIUM: '' })).toBe(join(folder, 'chromium'));
  });

  it('passes over folders and files that cannot be run, and is null without', () => {
    put('chromium', '', 0o644);
    expect(findChromium(env())).toBeNull();
    expect(findChromium({})).toBeNull();
    put('chromium-browser');
    expect(findChromium(env())).toBe(join(folder, 'chromium-browser'));
  });
});
