import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';

// The sources are JavaScript, since a checkout runs them before anything is installed or built.
const entry = { index: 'src/index.ts', 'probe-child': 'src/probe-child.js' };

export default defineConfig(packageOptions(entry, { platform: 'node' }));
