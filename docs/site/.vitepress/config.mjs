// Settings of vitepress. Pages and sidebars come from tools/site/pages.mjs.
import { anchorOf } from '../../../tools/site/links.mjs';
import { sidebars } from '../../../tools/site/pages.mjs';

const escaped = (/** @type {string} */ text) => text.replaceAll('{{', '&#123;&#123;');

export default {
  title: 'Crossgate',
  description: 'Recommendation by collaborative filtering and a language model, on WebGPU, in TypeScript.',
  lang: 'en-US',
  srcDir: '../../.cache/site/pages',
  outDir: '../../dist-site',
  cacheDir: '../../.cache/site/vitepress',
  cleanUrls: false,
  // A page of an API is one file, and the index of the search another. Both are loaded on demand.
  vite: { build: { chunkSizeWarningLimit: 3000 } },
  markdown: {
    anchor: { slugify: anchorOf },
    headers: { level: [2, 3] },
    config(/** @type {import('vitepress').MarkdownRenderer} */ md) {
      // Double braces of our pages are text, not expressions of Vue.
      const { text } = md.renderer.rules;
      md.renderer.rules.text = (tokens, index, ...rest) => escaped(text?.(tokens, index, ...rest) ?? '');
    },
  },
  themeConfig: {
    nav: [
      { text: 'Quick start', link: '/start' },
      { text: 'Guides', link: '/guide-cf', activeMatch: '^/(guide|own-|kernels|bundle|serving|scale|models|paper)' },
      { text: 'API', link: '/api/', activeMatch: '^/(api|packages)/' },
      { text: 'Decisions', link: '/decisions/' },
      { text: 'Results', link: '/results/' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
    ],
    sidebar: sidebars(),
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    footer: { message: 'MIT license' },
  },
};
