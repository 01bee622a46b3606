#!/usr/bin/env node
import { launchedRank } from '@crossgate/collective/launch';
/** The `crossgate` program. */
import { startWithGpu } from '@crossgate/setup';
import { startProcess } from '@crossgate/terminal';

const ended = await startWithGpu('crossgate', process.argv.slice(2));
if (ended === undefined) await startProcess(async () => (await import('./cli')).main, launchedRank() === 0);
else process.exitCode = ended;
