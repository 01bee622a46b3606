import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

export default defineConfig(packageOptions({ index: 'src/index.ts', launch: 'src/launch.ts', node: 'src/node.ts' }));
