import { defineConfig } from 'vite';

/** Builds the page into `dist/page`: one document, one script, one style sheet. */
export default defineConfig({
  // Addresses are relative, so that the page also works where the server is mounted below a path.
  base: './',
  build: {
    outDir: '../dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // Without these, scripts or data could end up inline, which the page's policy refuses.
    modulePreload: false,
    assetsInlineLimit: 0,
  },
});
