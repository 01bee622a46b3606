import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

// The methods alone are plain data: programs list them without loading what trains them.
export default defineConfig(packageOptions({ index: 'src/index.ts', methods: 'src/methods/index.ts' }));
