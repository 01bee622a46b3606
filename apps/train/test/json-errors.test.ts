/** Failures with --json: one JSON document on standard output, the same line on standard error, the same exit code. */
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
}

/** Runs it in a fresh folder, whose path is taken out of what is said: some commands show paths whole. */
async function run(argv: readonly string[], files: Record<string, string>) {
  const cwd = await folderWith(files);
  const { code, stdout, stderr } = await runCli(argv, { cwd });
  return { code, stdout: stdout.replaceAll(`${cwd}/`, ''), stderr: stderr.replaceAll(`${cwd}/`, '') };
}

const seeSchema = 'see `crossgate config schema`';

/** What is typed, the files that are there, the exit code, and the error as data. */
const cases: [string, string[], Record<string, string>, number, Failure][] = [
  [
    'an unknown key of a config',
    ['train', 'c.yaml'],
    { 'c.yaml': 'method: mean\nsed: 1\n' },
    2,
    { code: 'config.unknown-key', message: 'c.yaml:2:1: unknown key sed (did you mean seed?)', fix: seeSchema },
  ],
  [
    'a config that is missing',
    ['train', 'none.yaml'],
    {},
    2,
    { code: 'file.not-found', message: 'none.yaml: config not found', fix: 'check the path' },
  ],
  [
    'no run',
    ['evaluate', 'runs/none'],
    {},
    2,
    { code: 'run.not-found', message: 'runs/none: run not found', fix: 'check the path' },
  ],
  [
    'a value of an option',
    ['evaluate', 'r', '--split', 'tset'],
    {},
    2,
    { code: 'usage', message: '--split: unknown split tset (did you mean test?)', fix: 'use train, valid, test' },
  ],
  [
    'a missing argument',
    ['train'],
    {},
    2,
    { code: 'usage', message: "missing required argument 'config'", fix: 'see --help' },
  ],
  [
    'a CSV without the columns',
    ['metrics', 's.csv'],
    { 's.csv': 'user,label\na,1\n' },
    2,
    {
      code: 'csv.column',
      message: 's.csv:1: column score is missing',
      fix: 'the header must name user, label, score (it has user, label)',
    },
  ],
];

describe('a failure with --json', () => {
  it.each(cases)('%s', async (_, argv, files, exit, failure) => {
    const { code, stdout, stderr } = await run([...argv, '--json'], files);
    expect(JSON.parse(stdout)).toEqual({ error: failure });
    expect(stderr).toBe(`error: ${failure.message}; ${failure.fix}\n`);
    expect(code).toBe(exit);
  });

  it('is the same line and exit code without it, and nothing on standard output', async () => {
    for (const [, argv, files, exit, failure] of cases) {
      const { code, stdout, stderr } = await run(argv, files);
      expect([code, stdout, stderr]).toEqual([exit, '', `error: ${failure.message}; ${failure.fix}\n`]);
    }
  });

  it('says that the user stopped it, with exit code 130', async () => {
    const cwd = await folderWith({});
    const { code, stdout, stderr } = await runCli(['metrics', 'none.csv', '--json'], {
      cwd,
      signal: AbortSignal.abort(),
    });
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'interrupted', message: 'interrupted' } });
    expect(stderr).toBe('interrupted\n');
    expect(code).toBe(130);
  });
});
