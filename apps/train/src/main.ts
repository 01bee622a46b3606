#!/usr/bin/env node
/** The `crossgate` program. */
import { startProcess } from '@crossgate/terminal';

await startProcess(async () => (await import('./cli')).main);
