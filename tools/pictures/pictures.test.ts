/** The pictures and the shop in docs are what the scripts make, and every picture is shown. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { ChromeTrace } from '../../packages/gpu/src';
import { traceProblems } from '../../packages/testing/src/trace';
import { areaUnderCurve, drawIdeas } from './ideas.mjs';
import { shopFiles } from './shop.mjs';
import { cutStep, drawStep } from './step.mjs';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const read = (path: string) => readFileSync(`${docs}${path}`, 'utf8');

it.each([
  ['pictures', drawIdeas()],
  ['shop', shopFiles()],
])('docs/%s is what the scripts make', (folder, files) => {
  expect(readdirSync(`${docs}${folder}`).sort()).toEqual([...files.keys()].sort());
  for (const [name, text] of files)
    expect(read(`${folder}/${name}`), `${name}: node tools/pictures/main.mjs`).toBe(text);
});

it('shows every picture in the guide, with a text in its place', () => {
  const guide = read('guide-cf.md');
  for (const name of drawIdeas().keys()) expect(guide).toMatch(new RegExp(`!\\[[^\\]]{20,}\\]\\(pictures/${name}\\)`));
});

const step = JSON.parse(read('results/step-trace/trace.json')) as ChromeTrace;

it('keeps words inside the picture', () => {
  for (const [name, svg] of [...drawIdeas(), ['step.svg', drawStep(step, 'A step')] as const]) {
    const [, width, height] = svg.match(/viewBox="0 0 (\d+) (\d+)"/)!.map(Number) as [number, number, number];
    for (const [, x, y] of svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)"/g)) {
      expect(Number(x), name).toBeGreaterThan(20);
      expect(Number(x), name).toBeLessThanOrEqual(width - 18);
      expect(Number(y), name).toBeLessThan(height);
    }
  }
});

it('says the AUC that the dots have', () => {
  expect(
    areaUnderCurve([
      [0.9, true],
      [0.8, false],
      [0.7, true],
    ]),
  ).toBe(0.5);
  expect(
    areaUnderCurve([
      [0.9, true],
      [0.9, false],
    ]),
  ).toBe(0.5);
  expect(drawIdeas().get('auc-uauc.svg')).toMatch(/AUC \.83, UAUC \.50/);
});

it('shows the step of a trace that viewers can read', () => {
  expect(traceProblems(step)).toEqual([]);
  expect(read('results/step-trace/step.svg')).toBe(drawStep(step, 'A step of stage1'));
  // A step cut out of its own trace is that step.
  expect(cutStep(step, 'stage1', 1)).toEqual(step);
  expect(() => cutStep(step, 'stage1', 2)).toThrow('no step 2 of stage1');
});
