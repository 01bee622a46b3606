// `npm run bundle`: one archive for linux-x64 with all that a machine without a network needs to verify, measure and
// train.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, execute } from '../../packages/setup/src/system.mjs';
import { root } from '../workspace/layout.mjs';
import { prepareCheckout } from '../workspace/prepare.mjs';
import { listContents } from './contents.mjs';
import { findCxxLibraries, findLoaderToCarry } from './libraries.mjs';
import { buildPrograms } from './programs.mjs';

const usage = `Usage: npm run bundle -- [--out DIR] [--json] [--no-archive]

Makes dist-bundle/crossgate-linux-x64.tar.xz: Node, Dawn, both programs, the kernels' tests, configs and assets.

  --out DIR     folder for the archive (default: dist-bundle)
  --no-archive  make the folder crossgate-linux-x64 alone
  --json        print {archive, bytes, sha256, commit, files} on standard output

Example:
  npm run bundle && tar -xf dist-bundle/crossgate-linux-x64.tar.xz && crossgate-linux-x64/run.sh doctor
`;
const name = 'crossgate-linux-x64';
/** The most an archive may have. */
const mostBytes = 50 * 2 ** 20;

const say = (/** @type {string} */ line) => process.stderr.write(`bundle: ${line}\n`);

async function mustRun(/** @type {string} */ program, /** @type {string[]} */ args, /** @type {string} */ remedy) {
  const { code, stderr, stdout } = await execute(program, args, { cwd: root, timeout: 3_600_000 });
  if (code !== 0) throw new Error(`bundle: ${program} failed: ${stderr.trim().split('\n').at(-1)}; ${remedy}`);
  return stdout.trim();
}

async function copy(/** @type {string} */ from, /** @type {string} */ to) {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
}

/** Fills a folder with everything. @returns {Promise<{ commit: string | null }>} */
async function fill(/** @type {string} */ folder, /** @type {string} */ work) {
  const contents = await listContents(root);
  for (const { from, to } of [...contents, ...findCxxLibraries()]) await copy(from, join(folder, to));
  say(`${contents.length} files; building the programs`);
  const packages = await buildPrograms(join(folder, 'app'));
  await writeFile(join(folder, 'app', 'package.json'), '{ "type": "module" }\n');
  await writeFile(join(folder, 'LICENSES.txt'), await licenses(packages));

  const node = join(folder, 'bin', 'node');
  await copy(process.execPath, node);
  const stripped = await execute('strip', [node]);
  if (stripped.code !== 0) say('strip is not there, so Node keeps its symbols (4 MB more)');

  const loader = await findLoaderToCarry(join(work, 'loader'));
  if (loader) {
    await copy(loader.path, join(folder, 'lib', 'vulkan', 'libvulkan.so.1'));
    say(`Vulkan loader ${basename(loader.path)} needs glibc 2.${loader.glibc}`);
  } else say('no Vulkan loader was found to carry: the other machine needs its own libvulkan1');

  const described = await execute('git', ['-C', root, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']);
  const commit = described.code === 0 ? described.stdout.trim() : null;
  if (commit !== null) await writeFile(join(folder, 'app', 'bench', 'commit'), `${commit}\n`);
  await chmod(join(folder, 'run.sh'), 0o755);
  await chmod(node, 0o755);
  return { commit };
}

/**
 * The licenses of everything that is carried, in one file; where there is no text of one, what its package says it is.
 */
async function licenses(/** @type {string[]} */ packages) {
  const parts = [];
  const nodeLicense = [join(dirname(dirname(process.execPath)), 'LICENSE'), '/usr/share/doc/nodejs/LICENSE'];
  /** @type {{ title: string, file: string | undefined, otherwise: string }[]} */
  const files = [{ title: 'Node.js', file: nodeLicense.find(existsSync), otherwise: 'MIT, https://nodejs.org' }];
  const systemParts = [
    ['libstdc++6', 'GPL-3.0 with the GCC Runtime Library Exception, https://gcc.gnu.org'],
    ['libgcc-s1', 'GPL-3.0 with the GCC Runtime Library Exception, https://gcc.gnu.org'],
    ['libvulkan1', 'Apache-2.0, https://github.com/KhronosGroup/Vulkan-Loader'],
  ];
  for (const [title = '', otherwise = ''] of systemParts) {
    files.push({ title, file: [`/usr/share/doc/${title}/copyright`].find(existsSync), otherwise });
  }
  for (const path of packages) {
    const names = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'LICENSE-MIT.txt', 'LICENCE', 'license', 'License'];
    const file = names.map((candidate) => join(root, path, candidate)).find((candidate) => existsSync(candidate));
    const { license } = JSON.parse(await readFile(join(root, path, 'package.json'), 'utf8'));
    files.push({
      title: path.split('node_modules/').at(-1) ?? path,
      file,
      otherwise: `${license} (its package has no text)`,
    });
  }
  for (const { title, file, otherwise } of files) {
    const text = file ? await readFile(file, 'utf8') : otherwise;
    parts.push(`==== ${title} ====\n\n${text.trim()}\n`);
  }
  return parts.join('\n');
}

/**
 * The command. @param {string[]} args
 * @returns {Promise<number>} exit code
 */
export async function bundleCommand(args) {
  let values;
  try {
    const options = /** @type {const} */ ({
      out: { type: 'string' },
      json: { type: 'boolean' },
      'no-archive': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    });
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    process.stderr.write(`bundle: ${/** @type {Error} */ (error).message}; see --help\n`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    process.stderr.write(`bundle: it is made on linux-x64, this is ${process.platform}-${process.arch}\n`);
    return 2;
  }
  if (process.execPath.startsWith(cacheFolder())) {
    process.stderr.write(
      'bundle: this Node was changed for software Vulkan; run npm run bundle, which uses your own\n',
    );
    return 2;
  }
  await prepareCheckout({ build: false });
  const out = resolve(values.out ?? join(root, 'dist-bundle'));
  await mkdir(out, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), 'crossgate-bundle-'));
  try {
    const folder = join(work, name);
    const { commit } = await fill(folder, work);
    const final = join(out, values['no-archive'] ? name : `${name}.tar.xz`);
    if (values['no-archive']) {
      await rm(final, { recursive: true, force: true });
      await mustRun('cp', ['-a', folder, final], `is there space in ${out}?`);
      say(final);
      if (values.json) process.stdout.write(`${JSON.stringify({ folder: final, commit })}\n`);
      return 0;
    }
    say('compressing (about a minute)');
    const partial = join(out, `.${name}.${process.pid}.part`);
    const owner = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
    await mustRun('tar', ['-C', work, ...owner, '-I', 'xz -6 -T0', '-cf', partial, name], 'tar and xz are needed');
    const files = (await mustRun('tar', ['-tf', partial], 'the archive is broken')).split('\n').length;
    const { size } = await stat(partial);
    if (size > mostBytes) {
      await rm(partial);
      throw new Error(
        `bundle: the archive has ${size} bytes, at most ${mostBytes} are allowed; assets/ may be too large`,
      );
    }
    await rename(partial, final);
    const sha256 = createHash('sha256')
      .update(await readFile(final))
      .digest('hex');
    say(`${final}: ${(size / 2 ** 20).toFixed(1)} MiB, ${files} entries`);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ archive: final, bytes: size, sha256, commit, files })}\n`);
    return 0;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
