import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

export default defineConfig(
  packageOptions(
    { index: 'src/index.ts', main: 'src/main.ts', 'peer-worker': 'src/peers/worker.ts' },
    { platform: 'node' },
  ),
);
