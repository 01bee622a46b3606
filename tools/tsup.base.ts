import type { Options } from 'tsup';

/** Build options shared by every package: ESM, types, and WGSL files and scripts of pages imported as text. */
export function packageOptions(entry: Record<string, string>, extra: Options = {}): Options {
  return {
    entry,
    format: ['esm'],
    target: 'es2022',
    platform: 'neutral',
    dts: { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [], noEmit: false } },
    sourcemap: true,
    clean: true,
    loader: { '.wgsl': 'text', '.client.js': 'text' },
    // Our own packages and all dependencies stay imports; only text is bundled in.
    skipNodeModulesBundle: true,
    ...extra,
  };
}
