// The last resort: SwiftShader, a software Vulkan that a npm package carries. Slow, without f16, but it runs everywhere
// that has the npm registry and a C library.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { execute, exists, mustExecute, SetupError, say } from './system.mjs';

/** Pinned: the archive's layout is the package's own affair. */
const packageName = '@sparticuz/chromium';
const packageVersion = '147.0.0';

/**
 * Makes sure that SwiftShader is unpacked under `cache`.
 * @param {string} cache
 * @returns {Promise<{ node: string, env: Record<string, string>, label: string }>}
 * @throws {SetupError} when the package cannot be fetched or unpacked, or is not for this processor
 */
export async function ensureSwiftShader(cache) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(`the package has no SwiftShader for ${process.platform} on ${process.arch}`);
  }
  const folder = join(cache, `swiftshader-${packageVersion}`);
  if (!(await exists(join(folder, 'swiftshader.json')))) await unpack(cache, folder);
  // The folder holds the Vulkan loader and the driver alone, so LD_LIBRARY_PATH changes nothing else.
  const env = { VK_DRIVER_FILES: join(folder, 'swiftshader.json'), LD_LIBRARY_PATH: join(folder, 'lib') };
  return { node: process.execPath, env, label: `SwiftShader in ${folder}` };
}

async function unpack(/** @type {string} */ cache, /** @type {string} */ folder) {
  say('downloading SwiftShader from the npm registry (about 70 MB)');
  const work = join(cache, `building-${process.pid}`);
  const root = join(work, 'root');
  try {
    await mkdir(join(root, 'lib'), { recursive: true });
    const npm = npmCommand();
    await mustExecute(npm.command, [
      ...npm.args,
      // Its errors say why, whatever the log level of the npm that started us.
      ...['pack', '--loglevel=error', '--logs-max=0', '--pack-destination', work, `${packageName}@${packageVersion}`],
    ]);
    const archive = join(work, `sparticuz-chromium-${packageVersion}.tgz`);
    const entry = 'package/bin/swiftshader.tar.br';
    await mustExecute('tar', ['-xzf', archive, '-C', work, entry]);
    const tar = await promisify(brotliDecompress)(await readFile(join(work, entry)));
    const names = ['libvk_swiftshader.so', 'libvulkan.so.1'];
    const result = await execute('tar', ['-xf', '-', '--no-same-owner', '-C', join(root, 'lib'), ...names], {
      input: tar,
    });
    if (result.code !== 0) throw new SetupError(`tar cannot unpack SwiftShader: ${result.stderr.trim()}`);
    const library = join(folder, 'lib', 'libvk_swiftshader.so');
    const manifest = { file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.3.0' } };
    await writeFile(join(root, 'swiftshader.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(root, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** How to start npm: through the script npm itself names when it started us, else by its name. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (script && /npm-cli\.js$/.test(script)) return { command: process.execPath, args: [script] };
  return { command: 'npm', args: [] };
}
