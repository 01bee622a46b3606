#!/usr/bin/env node
// Takes one step out of a profile and keeps it in docs/results/step-trace, with its picture.
//
//   node tools/pictures/cut-step.mjs runs/smoke/profile/profile.json stage1 6
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cutStep, drawStep } from './step.mjs';

const [profile, stage, number] = process.argv.slice(2);
if (!profile || !stage || !number) {
  process.stderr.write('usage: cut-step.mjs PROFILE.json STAGE NUMBER\n');
  process.exit(2);
}
const folder = fileURLToPath(new URL('../../docs/results/step-trace/', import.meta.url));
const { traceEvents, ...rest } = cutStep(JSON.parse(readFileSync(profile, 'utf8')), stage, Number(number));
const events = traceEvents.map((event) => JSON.stringify(event)).join(',\n');
writeFileSync(`${folder}trace.json`, `{${JSON.stringify(rest).slice(1, -1)},"traceEvents":[\n${events}\n]}\n`);
writeFileSync(`${folder}step.svg`, drawStep({ ...rest, traceEvents }, `A step of ${stage}`));
