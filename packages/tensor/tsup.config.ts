import { defineConfig } from 'tsup';
import { everyModule, packageOptions } from '../../tools/tsup.base';

export default defineConfig(packageOptions({ index: 'src/index.ts', node: 'src/node.ts' }, { entry: everyModule() }));
