/** `crossgate config`: the JSON Schema of configs, and a config with everything filled in. */

import { configJsonSchema, loadConfig } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { setOption } from './options';

export function registerConfig(program: Command, host: Host): void {
  const group = host.add(program, 'config', 'Show configs and their schema', [
    'config show configs/ml-1m/mf.yaml',
    'config schema > crossgate.schema.json',
  ]);
  const schema = host.add(group, 'schema', 'Print a JSON Schema of config files, for editors', [
    'config schema > crossgate.schema.json',
  ]);
  host.handle(schema, async (context) => {
    const value = configJsonSchema();
    await context.emit(value, () => JSON.stringify(value, null, 2));
  });
  const show = host
    .add(group, 'show <config>', 'Print a config with every default filled in', [
      'config show configs/ml-1m/mf.yaml --set cf.cfDim=256',
    ])
    .option(...setOption('change a key of the config, such as cf.epochs=5'), collect);
  host.handle<{ set?: string[] }>(show, async (context, options, [path]) => {
    const { seed } = context.options;
    const config = await loadConfig(path!, {
      cwd: context.io.cwd,
      set: options.set ?? [],
      ...(seed === undefined ? {} : { seed }),
    });
    await context.emit(config, () => stringify(config));
  });
}
