#!/usr/bin/env node
/** The `crossgate-bench` program. */
import { startProcess } from '@crossgate/terminal';

await startProcess(async () => (await import('./cli')).main);
