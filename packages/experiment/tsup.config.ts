import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

// The configs alone load no GPU package: programs read and check them before they open a device.
export default defineConfig(
  packageOptions({ index: 'src/index.ts', config: 'src/config/index.ts' }, { platform: 'node' }),
);
