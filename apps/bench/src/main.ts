#!/usr/bin/env node
/** The `crossgate-bench` program. */
import { startWithGpu } from '@crossgate/setup';
import { startProcess } from '@crossgate/terminal';

const ended = await startWithGpu('bench', process.argv.slice(2));
if (ended === undefined) await startProcess(async () => (await import('./cli')).main);
else process.exitCode = ended;
