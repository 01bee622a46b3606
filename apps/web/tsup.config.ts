import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

// No types: nothing imports the program.
export default defineConfig({ ...packageOptions({ main: 'src/main.ts' }, { platform: 'node' }), dts: false });
