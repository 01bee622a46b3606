/** A GPU that is lost, memory that does not suffice, a training that diverges: one clear line, exit 1, a good checkpoint. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readMetrics } from '@crossgate/experiment';
import { OutOfMemoryError } from '@crossgate/gpu';
import { firstNonFinite, parseState } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { jsonFailure, type Outcome, runCli } from './cli';
import { opened } from './opened-devices';
import { hashRun, tinyRuns } from './tiny-runs';

vi.mock('@crossgate/gpu/node', async (original) => (await import('./opened-devices')).watched(original));

const { listAdapters } = await import('@crossgate/gpu/node');
const adapters = await listAdapters();

afterEach(() => {
  opened.onOpen = () => {};
  vi.unstubAllEnvs();
});

/** Calls `act` once the log of a run has this many lines. */
function atLine(cwd: string, lines: number, act: () => void): () => void {
  const log = join(cwd, 'run/metrics.jsonl');
  let done = false;
  const watch = setInterval(() => {
    if (done || !existsSync(log) || readMetrics(log).length < lines) return;
    done = true;
    act();
  }, 1);
  return () => clearInterval(watch);
}

function expectFailure({ code, stdout, stderr }: Outcome, words: RegExp): void {
  expect({ code, stdout: JSON.parse(stdout) }, stderr).toEqual({ code: 1, stdout: jsonFailure });
  const errors = stderr.split('\n').filter((line) => line.startsWith('error'));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(words);
  expect(stderr).not.toMatch(/^\s+at /m);
}

/** Names of the tensors of the last checkpoint that hold what is no number. */
async function spoiled(cwd: string): Promise<string | null> {
  const folder = join(cwd, 'run/checkpoints');
  const { weights } = JSON.parse(await readFile(join(folder, 'last.json'), 'utf8'));
  const source = await openFile(join(folder, weights));
  const { state } = await parseState(source).finally(() => source.close());
  return firstNonFinite(state);
}

describe.skipIf(adapters.length === 0)('a run on a GPU', { timeout: 300_000 }, () => {
  /** Hashes of unbroken runs by method: the same in every folder. */
  const hashes = new Map<string, string>();
  async function unbroken(cwd: string, method: string): Promise<string> {
    if (!hashes.has(method)) {
      const whole = await train(cwd, `${method}.yaml`, 'whole');
      expect(whole.code, whole.stderr).toBe(0);
      hashes.set(method, await hashRun(join(cwd, 'whole')));
    }
    return hashes.get(method)!;
  }

  const train = (cwd: string, config: string, run: string, ...more: string[]) =>
    runCli(['train', config, '--run', run, '--json', ...more], { cwd });

  it.each([
    ['mf', 'lost', 4],
    ['ccf', 'lost', 8],
    ['mf', 'out of memory', 4],
    ['ccf', 'out of memory', 8],
  ])('of %s that is %s ends in one line and goes on to the same bits', async (method, fault, lines) => {
    const cwd = await tinyRuns();
    const expected = await unbroken(cwd, method);
    let stop = () => {};
    opened.onOpen = (device) => {
      stop = atLine(cwd, lines, () => {
        if (fault === 'lost') device.gpu.destroy();
        else {
          // What Dawn does when the driver refuses a buffer.
          const error = new (class GPUOutOfMemoryError extends Error {})('no memory for a buffer');
          device.gpu.dispatchEvent(Object.assign(new Event('uncapturederror'), { error }));
        }
      });
    };
    const failed = await train(cwd, `${method}.yaml`, 'run').finally(() => stop());
    const words = fault === 'lost' ? 'the GPU was lost: ' : 'the driver is out of memory: no memory for a buffer';
    expectFailure(failed, new RegExp(`^error: ${words}.*; with --resume the run goes on from its last checkpoint$`));
    expect(await spoiled(cwd)).toBeNull();
    opened.onOpen = () => {};
    const rest = await train(cwd, `${method}.yaml`, 'run', '--resume');
    expect(rest.code, rest.stderr).toBe(0);
    expect(await hashRun(join(cwd, 'run'))).toBe(expected);
  });

  it('of MF that diverges at once leaves no run', async () => {
    const cwd = await tinyRuns();
    const cf = await train(cwd, 'mf.yaml', 'run', '--set', 'cf.learningRate=1e30');
    expectFailure(cf, /^error: epoch 1: the loss is .*; lower learningRate \(now 1e\+30\)$/);
    expect(existsSync(join(cwd, 'run'))).toBe(false);
  });

  it('that diverges in a later stage keeps the checkpoint before it, and says the same when it is resumed', async () => {
    const cwd = await tinyRuns();
    const absurd = ['--set', 'training.stage2.learningRate=1e30', '--set', 'training.stage2.warmupSteps=0'];
    for (const resume of [[], ['--resume']]) {
      const failed = await train(cwd, 'ccf.yaml', 'run', ...absurd, ...resume);
      expectFailure(
        failed,
        /^error: .* at step 1 of stage 2: lower the learning rate or set clipNorm, and start again$/,
      );
      const { state } = JSON.parse(await readFile(join(cwd, 'run/checkpoints/last.json'), 'utf8'));
      expect(state).toMatchObject({ phase: 'hybrid', stage: 0 });
      expect(await spoiled(cwd)).toBeNull();
    }
  });

  it('that will not fit the memory budget is refused before it starts, and one that just fits runs', async () => {
    const cwd = await tinyRuns();
    vi.stubEnv('CROSSGATE_MEMORY_BUDGET', '64 KiB');
    const refused = await train(cwd, 'ccf.yaml', 'run');
    const { code, stdout } = refused;
    expect({ code, stdout: JSON.parse(stdout) }, refused.stderr).toEqual({ code: 2, stdout: jsonFailure });
    expect(refused.stderr).toMatch(
      /the training would take about [\d.]+ KiB \(weights .*\) of 64\.0 KiB; lower training/,
    );
    expect(existsSync(join(cwd, 'run'))).toBe(false);
    vi.stubEnv('CROSSGATE_MEMORY_BUDGET', '4 MiB');
    const fits = await train(cwd, 'ccf.yaml', 'run');
    expect(fits.code, fits.stderr).toBe(0);
    const { predicted } = JSON.parse(fits.stdout).details.memory;
    const said = Number(/about ([\d.]+) KiB/.exec(refused.stderr)![1]) * 1024;
    expect(said / predicted.total).toBeGreaterThan(0.8);
    expect(said / predicted.total).toBeLessThan(1.25);
  });

  it('whose batches exceed the budget ends in one line with the sizes, and goes on with more', async () => {
    const cwd = await tinyRuns();
    const expected = await unbroken(cwd, 'mf');
    let stop = () => {};
    opened.onOpen = (device) => {
      // As if the device were full from then on.
      stop = atLine(cwd, 4, () => {
        vi.spyOn(device.memory, 'persistent').mockImplementation((bytes, purpose) => {
          throw new OutOfMemoryError(`${bytes} bytes for ${purpose} do not fit`);
        });
      });
    };
    const failed = await train(cwd, 'mf.yaml', 'run').finally(() => stop());
    expectFailure(failed, /^error: \d+ bytes for scores do not fit; with --resume the run goes on/);
    opened.onOpen = () => {};
    const rest = await train(cwd, 'mf.yaml', 'run', '--resume');
    expect(rest.code, rest.stderr).toBe(0);
    expect(await hashRun(join(cwd, 'run'))).toBe(expected);
  });
});
