// `npm run publish-packages -- DIR [--provenance]`: publishes the tarballs of a folder (check-packages --tarballs DIR),
// but those whose version is published already. So a release that was broken off goes on when it is run again.
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';
import { execute, mustExecute } from '../../packages/setup/src/system.mjs';
import { userFolder } from '../workspace/start.mjs';

const usage = 'usage: npm run publish-packages -- DIR [--provenance]';

/** @param {string} message */
function refuse(message) {
  process.stderr.write(`publish-packages: ${message}\n`);
  return 2;
}

/** Whether the registry has this version. @throws {Error} where it cannot be asked */
async function isPublished(/** @type {string} */ version) {
  const { code, stdout, stderr } = await execute('npm', ['view', version, 'version']);
  // Of a package that is there, a version that is not is no error.
  if (code === 0) return stdout.trim() !== '';
  if (/\bE404\b/.test(stderr)) return false;
  throw new Error(`npm view ${version} ended with ${code}: ${stderr.trim()}`);
}

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { provenance: { type: 'boolean' } } });
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0) return refuse(usage);
  const path = resolve(userFolder(), folder);
  const tarballs = (await readdir(path)).filter((name) => name.endsWith('.tgz')).sort();
  if (tarballs.length === 0) return refuse(`${path} holds no tarballs; npm run check-packages -- --tarballs DIR`);
  for (const tarball of tarballs.map((name) => join(path, name))) {
    const manifest = JSON.parse(await mustExecute('tar', ['-xzOf', tarball, 'package/package.json']));
    const version = `${manifest.name}@${manifest.version}`;
    if (await isPublished(version)) {
      process.stdout.write(`${version}: published already\n`);
      continue;
    }
    const args = ['publish', tarball, '--access', 'public', ...(values.provenance ? ['--provenance'] : [])];
    // By hand, npm asks for a second factor.
    const code = await runToEnd('npm', args, { stdio: 'inherit' });
    if (code !== 0) return code;
    process.stdout.write(`${version}: published\n`);
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message, code } = /** @type {NodeJS.ErrnoException} */ (error);
  process.exitCode = code?.startsWith('ERR_PARSE_ARGS') ? refuse(`${message}; ${usage}`) : 1;
  if (process.exitCode === 1) process.stderr.write(`publish-packages: ${message}\n`);
}
