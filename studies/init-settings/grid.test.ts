/** The kept trainings are those that the study makes by itself: rates, batches, and when a training ends. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { defaultGrid, forMl3000 } from './grid.mjs';

const text = readFileSync(new URL('../../docs/results/init-settings/README.md', import.meta.url), 'utf8');

it.each([
  ['rating', 'Ratings', 40],
  ['implicit', 'Events without ratings', 22],
] as const)('docs/results/init-settings has trainings of the default grid: %s', (kind, title, count) => {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`))!;
  const rows = [...section.matchAll(/^\| ([a-z]+-\d+) \|.*$/gm)];
  expect(rows).toHaveLength(count);
  for (const [row, name] of rows) {
    const cells = row.split('|').map((cell) => cell.trim().replaceAll(',', ''));
    const grid = { ...defaultGrid(kind), ...(name === 'ml-3000' && forMl3000) } as Record<string, number[]>;
    expect(grid.learningRate, row).toContain(Number(cells[3]));
    expect(grid.batchSize, row).toContain(Number(cells[4]));
    const [best, done] = cells[7]!.split('/').map(Number) as [number, number];
    const [epochs, patience, warmup] = [grid.epochs![0]!, grid.patience![0]!, grid.warmupEpochs![0]!];
    expect(done, row).toBe(Math.min(epochs, Math.max(best, warmup) + patience));
  }
});
