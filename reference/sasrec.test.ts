/** 200 training steps of SASRec on batches from a file, against JAX in float64 (sasrec.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as cf from '@crossgate/cf';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import * as tensor from '@crossgate/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { followReference, type Reference } from './sasrec-steps.mjs';

const fixture = fileURLToPath(new URL('../packages/cf/test/fixtures/sasrec-reference.json', import.meta.url));
const reference = JSON.parse(readFileSync(fixture, 'utf8')) as Reference;
const libraries = { cf, tensor };

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

it.each(['pre', 'post'] as const)('%s-norm follows the reference for 200 steps', async (norm) => {
  const { losses } = reference.trainings[norm];
  expect(losses).toHaveLength(200);
  expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]!);
  const found = await followReference(libraries, device, reference, norm);
  expect(found.losses).toHaveLength(200);
  // 2.4e-7 on lavapipe.
  expect(found.lossError).toBeLessThan(1e-4);
  expect(found.valueError).toBeLessThan(1e-3);
  expect(device.memory.report().persistent).toEqual({});
});

it('sees another rate, and another initial value', async () => {
  const short = { ...reference.trainings.pre, losses: reference.trainings.pre.losses.slice(0, 20) };
  const few = { ...reference, trainings: { pre: short, post: short } };
  const faster = await followReference(libraries, device, { ...few, learningRate: 1.1e-3 }, 'pre');
  expect(faster.lossError).toBeGreaterThan(1e-3);
  const amplitudes = { 'blocks.1.feed_forward.input.weight': 0.31 };
  expect((await followReference(libraries, device, { ...few, amplitudes }, 'pre')).lossError).toBeGreaterThan(1e-4);
});
