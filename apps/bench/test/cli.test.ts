/** The command line in-process: exit codes, help, and where output goes. */
import { significant } from '@crossgate/core';
import { describe, expect, it } from 'vitest';
import { columnTable } from '../src/column-table';
import { formatReport, type KernelsReport } from '../src/commands/kernels';
import { median } from '../src/measure';
import { run } from './program';

describe('crossgate-bench', () => {
  it('shows help with examples', async () => {
    for (const argv of [['--help'], ['kernels', '--help']]) {
      const { code, stdout, stderr } = await run(...argv);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:\n {2}\$ crossgate-bench kernels/);
      expect(stderr).toBe('');
    }
    expect(await run('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it.each([
    [['nonsense']],
    [['kernels', '--nonsense']],
    [['kernels', 'surplus']],
    [['kernels', '--repeats', '0']],
    [['kernels', '--repeats', 'many']],
    [['kernels', '--seed', '-1']],
    [['training', '--epochs', '0']],
    [['completion', 'tcsh']],
  ])('ends %j with exit code 2 and one line', async (argv) => {
    const { code, stdout, stderr } = await run(...argv);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: .+\n$/);
  });

  it('names the kernels when the filter matches none', async () => {
    const { code, stderr } = await run('kernels', '--filter', 'warp drive');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: no kernel matches "warp drive"; there are: adam, .+\n$/);
  });

  it('names the trainings when the filter matches none', async () => {
    const { code, stderr } = await run('training', '--filter', 'warp drive');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: no training matches "warp drive"; there are: cf mf published, .+\n$/);
  });

  it('ends with exit code 3 when no adapter fits', async () => {
    const { code, stdout, stderr } = await run('kernels', '--json', '--adapter', 'no such adapter');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'gpu.none' } });
    expect(stderr).toMatch(/no adapter/);
  });

  it('prints one JSON document on standard output', async () => {
    const { code, stdout, stderr } = await run('kernels', '--filter', 'clipFactor', '--repeats', '1', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as KernelsReport;
    expect(Object.keys(report)).toEqual(expect.arrayContaining(['machine', 'adapter', 'results']));
    expect(report.results).toHaveLength(1);
    expect(report.results[0]).toMatchObject({ name: 'clipFactor', dtype: 'f32', peers: {}, ratio: null });
    expect(stderr).toContain('measuring the ceilings');
    expect(formatReport(report)).toMatch(/ceilings: .+GFLOP\/s.+GB\/s/);
  });

  it('completes its commands', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout } = await run('completion', shell);
      expect(code).toBe(0);
      expect(stdout).toContain('kernels');
      expect(stdout).toMatch(/(--|-l )filter/);
    }
  });
});

describe('figures', () => {
  it('takes the median', () => {
    expect(median([1, 2, 9])).toBe(2);
    expect(median([1, 2, 4, 9])).toBe(3);
  });

  it('keeps three significant digits', () => {
    expect([1234.5, 12.345, 0.012345, 1, 0].map(significant)).toEqual(['1235', '12.3', '0.0123', '1.00', '0']);
  });

  it('aligns tables', () => {
    const table = columnTable([{ title: 'a' }, { title: 'number', right: true }], [['long', '1']]);
    expect(table).toBe('a     number\nlong       1');
  });
});
