// Tests of the choice for which command lines a GPU is looked for.
import { describe, expect, it } from 'vitest';
import { mayNeedGpu } from '../src/gpu-free.mjs';

describe('command lines that need no GPU', () => {
  it.each([
    ['crossgate', ['--help'], false],
    ['crossgate', ['-h'], false],
    ['crossgate', ['--version'], false],
    ['crossgate', [], false],
    ['crossgate', ['help', 'train'], false],
    ['crossgate', ['train', '--help'], false],
    ['crossgate', ['--json', 'metrics', 'scores.csv'], false],
    ['crossgate', ['model', 'info', 'train'], false],
    ['crossgate', ['merge', 'parts', '--out', 'lists.jsonl'], false],
    ['crossgate', ['train', 'mf.yaml', '--set', 'data.path=x'], true],
    ['crossgate', ['generate', '--prompt', '-h'], true],
    ['crossgate', ['doctor'], true],
    ['crossgate', ['a-command-of-tomorrow'], true],
    ['bench', ['kernels'], true],
    ['bench', ['kernels', '-h'], false],
    ['demo', [], true],
    ['example', ['file.mjs', '--help'], true],
  ] as const)('%s %j: %s', (program, args, expected) => {
    expect(mayNeedGpu(program, [...args])).toBe(expected);
  });
});
