import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

export default defineConfig(packageOptions({ main: 'src/main.ts' }, { platform: 'node' }));
