/** `crossgate demo`: the point of CCF-LLM in minutes, on a generated world, with what could be reached at best. */

import type { Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { demoText } from '../demo/report';
import { runDemo } from '../demo/run';
import { setOption } from './options';

interface DemoCommandOptions {
  readonly set?: string[];
  readonly run?: string;
  readonly resume?: boolean;
}

export function registerDemo(program: Command, host: Host): void {
  const command = host
    .add(program, 'demo', 'Train and compare MF, a text-only LLM and CCF-LLM on a generated data set', [
      'demo',
      'demo --seed 2 --json',
      'demo --resume',
    ])
    .option('--run <dir>', 'folder of the demo (default: a new one, runs/demo-<seed>, runs/demo-<seed>-2, …)')
    .option('--resume', 'resume the demo in --run, else the last one of this seed')
    .option(...setOption('change a key in the configs of all methods, as in train'), collect);
  host.handle<DemoCommandOptions>(command, async (context, { set, run, resume }) => {
    const result = await runDemo(context, {
      set: set ?? [],
      resume: resume ?? false,
      ...(run === undefined ? {} : { run }),
    });
    await context.emit(result, () => demoText(result));
  });
}
