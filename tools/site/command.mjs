// `npm run site`: installs what the site alone needs, and starts docs/site/main.mjs.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';
import { root } from '../workspace/layout.mjs';
import { prepareCheckout } from '../workspace/prepare.mjs';
import { runPnpm } from '../workspace/start.mjs';

const usage = `Usage: npm run site [-- COMMAND] [options]

Makes the documentation site from the Markdown files of this checkout and the docstrings of the packages. The first time
it installs vitepress and typedoc in docs/site, which needs the npm registry.

Commands:
  build           write the site into dist-site (the default); a link to nothing fails
  dev             serve it, and follow changes of the Markdown files
  preview         serve what was built

Options:
  --base PATH     the path that it will be served under, such as /crossgate/ (default /)
  --port N        of dev and preview (default 5173)
  --help          show this text
`;

const folder = join(root, 'docs', 'site');

/** Installs the site's dependencies where its manifest or lockfile changed. */
async function install() {
  const hash = createHash('sha256');
  for (const name of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml']) {
    hash.update(await readFile(join(folder, name)));
  }
  const key = hash.digest('hex');
  const stamp = join(folder, 'node_modules', '.crossgate-install');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === key) return;
  process.stderr.write('site: installing vitepress and typedoc\n');
  const code = await runPnpm(['install', '--frozen-lockfile', '--config.confirm-modules-purge=false'], folder);
  if (code !== 0) throw new Error('site: installing dependencies failed; the lines above say why');
  await writeFile(stamp, key);
}

/** @param {string[]} args @returns {Promise<number>} the exit code */
export async function siteCommand(args) {
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  // The types of the packages' own dependencies, and the declarations that setup builds.
  await prepareCheckout({ build: true, declarations: true });
  await install();
  const options = { cwd: root, env: process.env, stdio: /** @type {const} */ ('inherit') };
  return runToEnd(process.execPath, [join(folder, 'main.mjs'), ...args], options);
}
