#!/usr/bin/env node
import { launchedRanks } from '@crossgate/collective/launch';
/** The `crossgate` program. */
import { startWithGpu } from '@crossgate/setup';
import { startProcess } from '@crossgate/terminal';

const ended = await startWithGpu('crossgate', process.argv.slice(2));
// Ranks are signaled by their launcher, which decides when once more is too much, and also when one of them has died.
const isAlone = (launchedRanks() ?? 1) === 1;
if (ended === undefined) await startProcess(async () => (await import('./cli')).main, isAlone);
else process.exitCode = ended;
