import { readdirSync } from 'node:fs';
import type { Options } from 'tsup';

/**
 * Types of the platform in our declarations. Which library declares them depends on the project: DOM, node, TypeScript 6
 * or @webgpu/types. These merge with such a declaration; where there is none, the names are opaque types. A reference to
 * @webgpu/types would contradict the DOM library of TypeScript 6, and does not compile without a DOM library.
 */
const platformTypes = [
  ...['AbortSignal', 'Blob'],
  ...['GPU', 'GPUAdapter', 'GPUAdapterInfo', 'GPUBuffer', 'GPUDevice', 'GPUSupportedLimits'],
];

/**
 * Every module below src as an entry of its own, for packages of many parts: bundlers then leave out the modules that a
 * program does not use, and what these import.
 */
export function everyModule(): Record<string, string> {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/'));
  const modules = files.filter((file) => file.endsWith('.ts') && !/\.(test|bench|d)\.ts$/.test(file)).sort();
  return Object.fromEntries(modules.map((file) => [file.slice(0, -'.ts'.length), `src/${file}`]));
}

/** Build options shared by every package: ESM, types, and WGSL files and scripts of pages imported as text. */
export function packageOptions(entry: Record<string, string>, extra: Options = {}): Options {
  return {
    entry,
    format: ['esm'],
    target: 'es2022',
    platform: 'neutral',
    dts: {
      entry,
      compilerOptions: { ignoreDeprecations: '6.0', customConditions: [], noEmit: false },
      banner: `declare global { ${platformTypes.map((name) => `interface ${name} {}`).join(' ')} }`,
    },
    sourcemap: true,
    clean: true,
    loader: { '.wgsl': 'text', '.client.js': 'text' },
    // Our own packages and all dependencies stay imports; only text is bundled in.
    skipNodeModulesBundle: true,
    ...extra,
  };
}
