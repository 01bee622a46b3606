import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vite';

/** Kernels are imported as their text where packages are read from their sources. */
const kernelsAsText = {
  name: 'kernels-as-text',
  enforce: 'pre' as const,
  async load(id: string) {
    return id.endsWith('.wgsl') ? `export default ${JSON.stringify(await readFile(id, 'utf8'))};` : null;
  },
};

/**
 * Builds the page into `dist/page`: a document, a style sheet, the page's script and the worker's. With `--mode source`,
 * packages are read from their sources, as the tests do; else as others get them.
 */
export default defineConfig(({ mode }) => {
  const isSource = mode === 'source';
  const plugins = isSource ? [kernelsAsText] : [];
  return {
    // Addresses are relative, so that the page also works below a path.
    base: './',
    plugins,
    ...(isSource && { resolve: { conditions: ['@crossgate/source', 'module', 'browser', 'production'] } }),
    worker: { format: 'es' as const, plugins: () => plugins },
    build: {
      outDir: '../../dist/page',
      emptyOutDir: true,
      target: 'es2022',
      // Without these, scripts or data could end up inline, which the page's policy refuses.
      modulePreload: false as const,
      assetsInlineLimit: 0,
      // The worker holds eight packages.
      chunkSizeWarningLimit: 2048,
    },
  };
});
