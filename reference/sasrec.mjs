#!/usr/bin/env node
// Trains SASRec on the batches of a file of sasrec.py, beside the losses that are there.
//
//   npm run -s example -- reference/sasrec.mjs video-batches.json [--out FILE]
//
// FILE gets the losses of both at every tenth step, the differences, and what was compared; no sequence goes there.
// Exit code 1 where a loss differs by more than 1e-3.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as cf from '@crossgate/cf';
import { openDevice } from '@crossgate/gpu/node';
import * as tensor from '@crossgate/tensor';
import { followReference } from './sasrec-steps.mjs';

const tolerance = 1e-3;
const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
const [file] = positionals;
if (file === undefined) {
  console.error('usage: npm run -s example -- reference/sasrec.mjs FILE [--out FILE]');
  process.exit(2);
}
const bytes = readFileSync(file);
/** @type {import('./sasrec-steps.mjs').Reference} */
const reference = JSON.parse(bytes.toString());
const { batches, trainings: theirs, amplitudes, ...settings } = reference;
const device = await openDevice();
/** @type {Record<string, unknown>} */
const trainings = {};
let worst = 0;
for (const norm of /** @type {const} */ (['pre', 'post'])) {
  const start = performance.now();
  const { losses, lossError, valueError, farthest } = await followReference({ cf, tensor }, device, reference, norm);
  const seconds = (performance.now() - start) / 1000;
  const steps = losses.flatMap((ours, i) => {
    const step = i + 1;
    return step === 1 || step % 10 === 0 ? [{ step, ours, reference: theirs[norm].losses[i] }] : [];
  });
  trainings[norm] = { lossError, valueError, farthest, seconds, losses: steps };
  worst = Math.max(worst, lossError);
  console.error(
    `${norm}-norm: ${losses.length} steps, largest relative difference of a loss ${lossError.toExponential(1)}`,
  );
}
const { name, driver } = device.capabilities;
const of = {
  batches: batches.length,
  positions: batches.reduce((sum, { next }) => sum + next.flat().length, 0),
  sha256: createHash('sha256').update(bytes).digest('hex'),
};
const result = { adapter: name, driver, node: process.versions.node, ...settings, file: of, trainings };
device.destroy();
const text = `${JSON.stringify(result, null, 2)}\n`;
if (values.out !== undefined) writeFileSync(values.out, text);
console.log(text.trimEnd());
process.exitCode = worst <= tolerance ? 0 : 1;
