import { defineConfig } from 'tsup';
import { everyModule, packageOptions } from '../../tools/tsup.base';

export default defineConfig(
  packageOptions({ index: 'src/index.ts', registry: 'src/registry.ts' }, { entry: everyModule() }),
);
