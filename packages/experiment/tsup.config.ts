import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

// The configs alone load no GPU package: programs read and check them before they open a device. Live runs are for
// browsers too.
export default defineConfig(
  packageOptions(
    { index: 'src/index.ts', config: 'src/config/index.ts', live: 'src/live/index.ts' },
    { platform: 'node' },
  ),
);
