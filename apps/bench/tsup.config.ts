import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';
import { kernelTestsPlugin, workerEntry } from './verify.build';

export default defineConfig([
  packageOptions({ index: 'src/index.ts', main: 'src/main.ts' }, { platform: 'node' }),
  // The kernels' tests with all they need but the GPU package, which is a dependency.
  packageOptions(
    { 'verify-worker': workerEntry },
    {
      platform: 'node',
      clean: false,
      dts: false,
      splitting: false,
      sourcemap: false,
      skipNodeModulesBundle: false,
      esbuildPlugins: [kernelTestsPlugin()],
    },
  ),
]);
