import { readdirSync } from 'node:fs';
import type { Options } from 'tsup';

/**
 * Every module below src as an entry of its own, for packages of many parts: bundlers then leave out the modules that a
 * program does not use, and what these import.
 */
export function everyModule(): Record<string, string> {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/'));
  const modules = files.filter((file) => file.endsWith('.ts') && !/\.(test|bench|d)\.ts$/.test(file)).sort();
  return Object.fromEntries(modules.map((file) => [file.slice(0, -'.ts'.length), `src/${file}`]));
}

/**
 * Build options shared by every package: ESM, WGSL files and scripts of pages imported as text. Declarations are written for
 * all packages at once, by tools/workspace/declarations.mjs.
 */
export function packageOptions(entry: Record<string, string>, extra: Options = {}): Options {
  return {
    entry,
    format: ['esm'],
    target: 'es2022',
    platform: 'neutral',
    sourcemap: true,
    clean: true,
    loader: { '.wgsl': 'text', '.client.js': 'text' },
    // Our own packages and all dependencies stay imports; only text is bundled in.
    skipNodeModulesBundle: true,
    ...extra,
  };
}
