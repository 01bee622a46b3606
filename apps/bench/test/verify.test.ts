/** `verify` runs the kernels' own tests: all of them are there, a wrong kernel fails, and a crash is reported. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createContext } from '@crossgate/terminal';
import { build, type Plugin } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runVerifyCommand, type VerifyCommandOptions, type VerifyReport } from '../src/commands/verify';
import { recorded, recordTests, worstDifference } from '../src/verify/comparisons';
import type { VerifyResult } from '../src/verify/rows';
import { listKernels, verifyKernels } from '../src/verify/run';
import * as standIn from '../src/verify/vitest';
import { kernelTestsPlugin, workerEntry } from '../verify.build';

const kernelsFolder = fileURLToPath(new URL('../../../packages/kernels/src', import.meta.url));
const dawn = fileURLToPath(new URL('../../../packages/gpu/node_modules/webgpu/index.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'crossgate-verify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Builds the worker as the package's build does, from source, with `replace` applied to the shader of that name. */
async function buildWorker(name: string, replace?: { shader: string; from: string; to: string }): Promise<string> {
  const spoil: Plugin = {
    name: 'spoil',
    setup({ onLoad, onResolve }) {
      // Dawn is found from the gpu package alone, and it loads a file beside it.
      onResolve({ filter: /^webgpu$/ }, () => ({ path: dawn, external: true }));
      onLoad({ filter: /\.wgsl$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (replace === undefined || !path.endsWith(replace.shader)) return { contents: text, loader: 'text' };
        if (!text.includes(replace.from)) throw new Error(`${replace.shader} has no "${replace.from}"`);
        return { contents: text.replace(replace.from, replace.to), loader: 'text' };
      });
    },
  };
  const outfile = join(folder, `${name}.mjs`);
  await build({
    ...{ entryPoints: [workerEntry], outfile, bundle: true, format: 'esm', platform: 'node', target: 'es2022' },
    ...{ plugins: [kernelTestsPlugin(), spoil], conditions: ['@crossgate/source'], logLevel: 'error' },
  });
  return outfile;
}

async function runCommand(options: VerifyCommandOptions, worker: string) {
  let stdout = '';
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      stdout += chunk.toString();
      done();
    },
  });
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  const { signal } = new AbortController();
  const io = {
    stdin: process.stdin,
    stdout: sink,
    stderr,
    stderrIsTerminal: false,
    env: process.env,
    cwd: process.cwd(),
    signal,
  };
  const error = await runVerifyCommand(createContext(io, options), options, worker).then(
    () => undefined,
    (reason: Error) => reason,
  );
  return { stdout, error };
}

describe('the worker', () => {
  let worker: string;
  beforeAll(async () => {
    worker = await buildWorker('worker');
  });

  it('holds tests of every kernel that has a shader', async () => {
    const withShader = readdirSync(kernelsFolder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'include')
      .filter(({ name }) => readdirSync(join(kernelsFolder, name)).some((file) => file.endsWith('.wgsl')));
    const kernels = await listKernels({ worker });
    expect(withShader.length).toBeGreaterThan(15);
    expect(kernels.map(({ kernel }) => kernel)).toEqual(expect.arrayContaining(withShader.map(({ name }) => name)));
    expect(kernels.filter(({ tests }) => tests === 0)).toEqual([]);
  });

  it('gives one JSON document, to a file as well', async () => {
    const out = join(folder, 'verify.json');
    const { stdout, error } = await runCommand({ filter: 'bce', json: true, out }, worker);
    expect(error).toBeUndefined();
    const report = JSON.parse(stdout) as VerifyReport;
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(report);
    expect(Object.keys(report)).toEqual(
      expect.arrayContaining(['machine', 'adapter', 'driver', 'commit', 'results', 'failed']),
    );
    expect(report.failed).toBe(0);
    expect(report.results.length).toBeGreaterThan(1);
    const compared = report.results.filter(({ maxError }) => maxError !== null);
    expect(compared.length).toBeGreaterThan(1);
    expect(compared.some(({ maxError }) => maxError! > 0)).toBe(true);
    for (const { kernel, ok, maxError, tolerance } of compared) {
      expect({ kernel, ok }).toEqual({ kernel: 'bce', ok: true });
      expect(maxError).toBeLessThanOrEqual(tolerance!);
    }
    const variants = new Set(report.results.map(({ variant }) => variant));
    expect([...variants].some((variant) => variant.includes('low limits'))).toBe(true);
    expect([...variants].some((variant) => variant.includes('uniform buffer'))).toBe(true);
  });

  it('fails when a kernel is wrong, and still checks the other tests', async () => {
    const shader = 'bce/bce.wgsl';
    const spoiled = await buildWorker('spoiled', { shader, from: 'logistic(z)', to: '1.001 * logistic(z)' });
    const { stdout, error } = await runCommand({ filter: 'bce', json: true }, spoiled);
    expect(error).toMatchObject({ name: 'VerifyError', message: expect.stringMatching(/^\d+ of \d+ checks failed$/) });
    const report = JSON.parse(stdout) as VerifyReport;
    const wrong = report.results.filter(({ ok }) => !ok);
    expect(wrong.length).toBe(report.failed);
    expect(new Set(wrong.map(({ variant }) => variant)).size).toBeGreaterThan(1);
    for (const { maxError, tolerance, message } of wrong) {
      expect(maxError).toBeGreaterThan(tolerance!);
      expect(message).toMatch(/values are off/);
    }
  });

  it('fails when a shader does not compile', async () => {
    const shader = 'bce/bce.wgsl';
    const broken = await buildWorker('broken', { shader, from: 'logistic(z)', to: 'no_such_function(z)' });
    const results = await verifyKernels(['bce'], { worker: broken, jobs: 1 });
    expect(results.some(({ ok, message }) => !ok && /no_such_function/.test(message ?? ''))).toBe(true);
  });

  it('refuses a filter that matches nothing', async () => {
    const { error } = await runCommand({ filter: 'warp drive' }, worker);
    expect(error).toMatchObject({ name: 'InputError', message: expect.stringMatching(/there are: .*matmul/) });
  });
});

it('reports a worker that dies', async () => {
  const path = join(tmpdir(), `crossgate-dying-${process.pid}.mjs`);
  writeFileSync(path, "console.error('driver fell over'); process.kill(process.pid, 'SIGSEGV');");
  try {
    const results = await verifyKernels(['adam', 'rope'], { worker: path, jobs: 2 });
    expect(results.map(({ kernel, ok }) => ({ kernel, ok }))).toEqual([
      { kernel: 'adam', ok: false },
      { kernel: 'rope', ok: false },
    ]);
    expect(results[0]!.message).toMatch(/SIGSEGV.*driver fell over/);
    await expect(listKernels({ worker: path })).rejects.toThrow(/SIGSEGV/);
  } finally {
    rmSync(path);
  }
});

describe('the stand-in for vitest', () => {
  const run = async (declare: () => void) => {
    standIn.clearTests();
    declare();
    const results: VerifyResult[] = [];
    await standIn.runTests(recordTests('kernel', (rows) => void results.push(...rows)));
    return results;
  };

  it('names tests as vitest does', () => {
    expect(standIn.formatTitle('a $kind of $size.width', [{ kind: 'row', size: { width: 4 } }])).toBe('a row of 4');
    expect(standIn.formatTitle('%s and %s, 100%%', ['one', 2])).toBe('one and 2, 100%');
    expect(standIn.formatTitle('%j', [{ a: 1 }])).toBe('{"a":1}');
  });

  it('runs hooks, groups, cases and skips, and goes on after a failure', async () => {
    const log: string[] = [];
    const results = await run(() => {
      standIn.describe.each([{ name: 'x' }, { name: 'y' }])('group $name', ({ name }: never) => {
        standIn.beforeAll(() => void log.push(`before ${name}`));
        standIn.afterAll(() => void log.push(`after ${name}`));
        standIn.it.each([[1, 2]])('%s and %s', (a: number, b: number) => void log.push(`${name} ${a + b}`));
        standIn.it('throws', () => {
          throw new Error('on purpose');
        });
      });
      standIn.it('skips itself', ({ skip }: { skip: (note: string) => never }) => skip('no f16'));
      standIn.it.skipIf(true)('is left out', () => void log.push('never'));
      standIn.it('compares', () => {
        standIn.expect({ a: [1] }).toMatchObject({ a: [1] });
        standIn.expect(() => standIn.expect(1).toBe(2)).toThrow(/expected 1 to be 2/);
      });
    });
    expect(log).toEqual(['before x', 'x 3', 'after x', 'before y', 'y 3', 'after y']);
    expect(results.map(({ variant, ok, skipped, message }) => [variant, ok, skipped ?? message])).toEqual([
      ['group x > 1 and 2', true, undefined],
      ['group x > throws', false, 'on purpose'],
      ['group y > 1 and 2', true, undefined],
      ['group y > throws', false, 'on purpose'],
      ['skips itself', true, 'no f16'],
      ['is left out', true, 'left out by its test'],
      ['compares', true, undefined],
    ]);
  });

  it('ends a test that hangs, and starts none after it', async () => {
    const results = await run(() => {
      standIn.it('hangs', () => new Promise(() => {}), 20);
      standIn.it('waits', () => {});
    });
    expect(results.map(({ ok, message }) => [ok, message])).toEqual([
      [false, 'no end after 0.02 s'],
      [false, 'not run: a test before it did not end'],
    ]);
  });
});

describe('recorded comparisons', () => {
  it('finds the worst place relative to what is allowed there', () => {
    const options = { relative: 0.1, absolute: 0.01 };
    expect(worstDifference([1.05, 100.5], [1, 100], options)).toEqual({
      maxError: expect.closeTo(0.05, 10),
      tolerance: expect.closeTo(0.11, 10),
    });
    expect(worstDifference([Number.NaN], { data: [1] }).maxError).toBeNaN();
    expect(
      worstDifference([Number.NaN, Number.POSITIVE_INFINITY], [Number.NaN, Number.POSITIVE_INFINITY]).maxError,
    ).toBe(0);
  });

  it('keeps the worst of equal labels, and a failure above all', () => {
    const compare = recorded((actual, expected, options) => {
      const { maxError, tolerance } = worstDifference(actual, expected, options);
      if (!(maxError <= tolerance)) throw new Error('off');
    });
    const rows: VerifyResult[] = [];
    const listener = recordTests('adam', (results) => void rows.push(...results));
    listener.start('test');
    const options = { relative: 0, absolute: 1 };
    compare([0.25], [0], { ...options, label: 'fine' });
    compare([0.75], [0], { ...options, label: 'fine' });
    compare([0.5], [0], { ...options, label: 'fine' });
    compare([3], [0], { ...options, label: 'wrong' });
    compare([0.5], [0], { ...options, label: 'wrong' });
    listener.end({});
    expect(rows).toMatchObject([
      { kernel: 'adam', variant: 'test', shape: 'fine', maxError: 0.75, tolerance: 1, ok: true },
      { shape: 'wrong', maxError: 3, ok: false, message: 'off' },
    ]);
  });
});
