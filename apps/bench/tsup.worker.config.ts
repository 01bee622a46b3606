import { defineConfig } from 'tsup';
import { packageOptions } from '../../tools/tsup.base';
import { kernelTestsPlugin, workerEntry } from './verify.build';

/** The worker of `verify`: the kernels' tests with all they need but the GPU package, which is a dependency. */
export default defineConfig(
  packageOptions(
    { 'verify-worker': workerEntry },
    {
      platform: 'node',
      // It is built after the programs, into the same folder.
      clean: false,
      splitting: false,
      sourcemap: false,
      skipNodeModulesBundle: false,
      esbuildPlugins: [kernelTestsPlugin()],
    },
  ),
);
