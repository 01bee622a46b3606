/** `--profile`: files of a command, what they hold, and that there are none without it or after bad input. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProfileSummary, TraceEvent } from '@crossgate/gpu';
import { traceProblems } from '@crossgate/testing';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

const configs = join(import.meta.dirname, '../../../configs/ml-1m');
const read = (folder: string) => ({
  events: (JSON.parse(readFileSync(join(folder, 'profile.json'), 'utf8')) as { traceEvents: TraceEvent[] }).traceEvents,
  summary: JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')) as ProfileSummary,
  text: readFileSync(join(folder, 'profile.txt'), 'utf8'),
});

describe('--profile', () => {
  it('writes where time and memory of a training and of a prediction go', async () => {
    const cwd = await folderWith({ ...inventedMl1m(), 'pairs.csv': 'user,item\n1,1\n2,3\n' });
    const env = { CROSSGATE_DATA: cwd };
    const few = ['--set', 'cf.epochs=2', '--set', 'cf.warmupEpochs=0', '--set', 'cf.cfDim=8'];
    const train = ['train', join(configs, 'mf.yaml'), ...few, '--run', 'run', '--json'];
    const trained = await runCli([...train, '--profile', '--profile-steps', '1'], { cwd, env });
    expect(trained.code, trained.stderr).toBe(0);
    const { peakMemory } = JSON.parse(trained.stdout);
    const { events, summary, text } = read(join(cwd, 'run', 'profile'));
    expect(peakMemory.device).toBeGreaterThanOrEqual(summary.memory!.total);
    expect(summary.processPeak).toBeGreaterThanOrEqual(peakMemory.process);
    const names = new Set(summary.spans.map(({ name }) => name));
    for (const name of ['read data', 'open GPU', 'epoch', 'cf', 'record', 'wait', 'scoring', 'score test', 'metrics'])
      expect(names).toContain(name);
    expect(summary.stages.map(({ stage, steps }) => [stage, steps])).toEqual([
      ['cf', 1],
      ['scoring', 1],
    ]);
    expect(traceProblems({ traceEvents: events })).toEqual([]);
    expect(events.some(({ ph }) => ph === 'C')).toBe(true);
    expect(events.some((event) => event.ph === 'X' && event.cat === 'kernel')).toBe(summary.adapter!.timestamps);
    expect(text).toContain('memory on the device');
    expect(summary.spans.reduce((sum, { own }) => sum + own, summary.otherMs)).toBeCloseTo(summary.ms, 3);

    const predict = ['predict', 'run', '--pairs', 'pairs.csv', '--out', 'scores.csv'];
    expect(await runCli(predict, { cwd, env })).toMatchObject({ code: 0 });
    expect(existsSync(join(cwd, 'profile'))).toBe(false);
    expect(await runCli([...predict, '--profile', 'where/it/goes'], { cwd, env })).toMatchObject({ code: 0 });
    expect(read(join(cwd, 'where/it/goes')).summary.stages).toMatchObject([{ stage: 'scoring' }]);
  });

  it('says of a method without a GPU that there was none', async () => {
    const cwd = await folderWith(inventedMl1m());
    const train = ['train', join(configs, 'mean.yaml'), '--run', 'run', '--profile', 'p'];
    expect(await runCli(train, { cwd, env: { CROSSGATE_DATA: cwd } })).toMatchObject({ code: 0 });
    const { summary, events } = read(join(cwd, 'p'));
    expect(summary).toMatchObject({ adapter: null, stages: [], memory: null, notes: ['no GPU was used'] });
    expect(events.every((event) => event.ph !== 'X' || event.cat === 'host')).toBe(true);
  });

  it('leaves nothing behind after bad input', async () => {
    const cwd = await folderWith(inventedMl1m());
    const failed = await runCli(['train', 'none.yaml', '--profile', 'p'], { cwd });
    expect(failed.code).toBe(2);
    expect(existsSync(join(cwd, 'p'))).toBe(false);
    const steps = await runCli(['train', 'none.yaml', '--profile', 'p', '--profile-steps', '0'], { cwd });
    expect(steps).toMatchObject({ code: 2, stderr: expect.stringContaining('whole number from 1 to 1000') });
  });
});
