/** docs/results/ranks says what was measured, as this study says it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Measured, page, type Steps } from './tables.mjs';

const folder = new URL('../../docs/results/ranks/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');

it('keeps a page that is made of its figures', () => {
  expect(read('README.md')).toBe(page(JSON.parse(read('ranks.json')) as Measured));
});

it('calls a gain what is beyond the range of one rank, and names other programs', () => {
  const steps = (model: string, ...whole: number[]): Steps => ({ model, whole, sums: [1], processor: [2] });
  const [alone, pair] = [
    [steps('MF', 10, 12, 11), steps('LLM, 4 prompts', 100, 104)],
    [steps('MF', 12, 30, 20), steps('LLM, 4 prompts', 50, 52)],
  ];
  const after = steps('LLM, 4 prompts, summed after the backward pass', 53, 55);
  const measured: Measured = {
    ...{ date: '', commit: '', processor: '', node: '', mpi: '', load: 0.1, rounds: 1, seconds: 61 },
    steps: [
      { ranks: 1, cores: 1, between: null, adapter: '', steps: alone! },
      { ranks: 2, cores: 2, between: 'TCP', adapter: '', steps: [...pair!, after] },
    ],
    sums: [{ ranks: 2, cores: 2, between: 'TCP', sums: [{ megabytes: 1, f32: 200, f16: 50 }] }],
    pieces: [],
  };
  const text = page(measured).replaceAll(/\n */g, ' ');
  expect(text).toContain('Nothing else used the machine before (load 0.1).');
  expect(text).toContain('- MF: 2 ranks by TCP differ from one by chance (0.55 times as many steps).');
  expect(text).toContain('- LLM, 4 prompts: 2 ranks by TCP gain (2.00 times as many steps).');
  expect(text).toContain('- 2 ranks by TCP: 51.0 ms with overlap, 54.0 ms without: a gain.');
  expect(text).toContain('sums are 0.25 to 0.25 times as fast as with f32: faster in 0 of 1 cases.');
  // Without a control nothing is said of one.
  expect(text).not.toContain('other core');
  const busy = page({ ...measured, load: 3 }).replaceAll('\n', ' ');
  expect(busy).toContain('**Other programs used the cores too** (load 3.0');
  expect(busy).not.toMatch(/gain \(|a gain/);
});

it('compares two ranks with one whose other core works too', () => {
  const steps = (model: string, ...whole: number[]): Steps => ({ model, whole, sums: [1], processor: [2] });
  const layout = { ranks: 1, cores: 1, between: null, adapter: '' } as const;
  const measured: Measured = {
    ...{ date: '', commit: '', processor: '', node: '', mpi: '', load: 0.1, rounds: 1, seconds: 61 },
    steps: [
      { ...layout, steps: [steps('MF', 10), steps('LLM, 16 prompts', 100)] },
      { ...layout, beside: true, steps: [steps('MF', 16), steps('LLM, 16 prompts', 130)] },
      { ...layout, ranks: 2, cores: 2, between: 'TCP', steps: [steps('MF', 20), steps('LLM, 16 prompts', 80)] },
    ],
    ...{ sums: [], pieces: [] },
  };
  const text = page(measured).replaceAll(/\n */g, ' ');
  // Figures of the two are not mixed: neither in rows, nor in what one rank is.
  expect(text).toContain('| MF | 1 | 1 | – | 10.0 | 10.0 | 10.0 | 1.00 × |');
  expect(text).toContain('| MF | 1, another such job on the other core | 1 | – | 16.0 | 16.0 | 16.0 | 0.63 × |');
  expect(text).toContain('2 ranks by TCP lose (0.50 times as many steps)');
  expect(text).toContain(
    'Beside this control, 2 ranks by TCP take 0.80 (MF), 1.63 (LLM, 16 prompts) times as many steps.',
  );
  const busy = page({ ...measured, load: 3 }).replaceAll('\n', ' ');
  expect(busy).toContain('is a control');
  expect(busy).not.toContain('Beside this control');
});
