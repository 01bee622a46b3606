// Tests of the command line of the set-up, with an outcome that was kept, so that nothing is searched.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeMachine } from '../../packages/setup/src/resolve.mjs';
import { writeJson } from '../../packages/setup/src/system.mjs';
import { parseArguments, setupCommand } from './command.mjs';

describe('parseArguments', () => {
  it('reads options in both spellings', () => {
    const none = { force: undefined, refresh: false, json: false, help: false };
    expect(parseArguments([])).toEqual(none);
    expect(parseArguments(['--force', 'prefix', '--json'])).toEqual({ ...none, force: 'prefix', json: true });
    expect(parseArguments(['--force=swiftshader', '--refresh'])).toEqual({
      ...none,
      force: 'swiftshader',
      refresh: true,
    });
    expect(parseArguments(['-h'])).toEqual({ ...none, help: true });
  });
  it('names what is wrong', () => {
    expect(() => parseArguments(['--force', 'magic'])).toThrow(/--force takes one of hardware, .*, not 'magic'/);
    expect(() => parseArguments(['--force='])).toThrow("not ''");
    expect(() => parseArguments(['--force'])).toThrow(/--force/);
    expect(() => parseArguments(['--fast'])).toThrow(/'--fast'/);
    expect(() => parseArguments(['--json=yes'])).toThrow(/--json/);
    expect(() => parseArguments(['hardware'])).toThrow(/'hardware'/);
  });
});

describe('setupCommand', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crossgate-setup-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  /** Keeps an outcome, runs the command, and gives its exit code and output. */
  async function run(args: string[], outcome: object = {}) {
    const file = join(folder, 'crossgate', 'gpu', `choice-${process.version}-${process.arch}.json`);
    await writeJson(file, { ...outcome, machine: await describeMachine() });
    const spies = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
    for (const spy of spies) spy.mockReturnValue(true);
    const code = await setupCommand(args);
    const [stdout = '', stderr = ''] = spies.map((spy) => spy.mock.calls.map(([text]) => text).join(''));
    for (const spy of spies) spy.mockRestore();
    return { code, stdout, stderr };
  }

  const gpu = { kind: 'installed', node: process.execPath, env: {}, label: 'a driver', adapter: 'llvmpipe' };

  it('says what is used, as JSON too, without what is its own affair', async () => {
    const said = 'setup: installed: using a driver: llvmpipe\n';
    expect(await run([], gpu)).toEqual({ code: 0, stdout: '', stderr: said });
    const { code, stdout, stderr } = await run(['--json'], { ...gpu, forced: true });
    expect([code, stderr]).toEqual([0, said.replace('\n', ' (forced)\n')]);
    expect(JSON.parse(stdout)).toEqual({ ...gpu, forced: true });
  });
  it('ends with 3 without a GPU, with 2 after a word it does not know, and with 0 after its help', async () => {
    const failed = await run([], { failure: 'no usable GPU.', at: '2026-01-02' });
    expect(failed).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^setup: no usable GPU\. .*\n$/),
    });
    const wrong = await run(['--fast']);
    const words = "setup: Unknown option '--fast'; see npm run setup -- --help\n";
    expect(wrong).toEqual({ code: 2, stdout: '', stderr: words });
    const help = await run(['--json', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('--force WAY') });
  });
});
