/**
 * WebGPU libraries to compare with: which ones, how they are installed, and where they are looked for. They are no
 * dependency: who does not ask for them does not get them.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CrossgateError, InputError, InterruptedError } from '@crossgate/core';
import { type Environment, kindOf, makeFolders, temporaryName, userCache } from '@crossgate/files';

/** What is asked for: each peer's package, then what TensorFlow.js needs beside its own. */
const wanted = ['@jax-js/jax', '@tensorflow/tfjs-backend-webgpu', '@tensorflow/tfjs-core'];

/** The package of each WebGPU peer. */
export const libraryOf = { tfjs: '@tensorflow/tfjs-backend-webgpu', 'jax-js': '@jax-js/jax' } as const;

/** Name, version, digest and dependencies of every package that is installed: npm refuses one with another digest. */
const locked: readonly (readonly [string, string, string, Readonly<Record<string, string>>?])[] = [
  [
    '@jax-js/jax',
    '0.1.25',
    'sha512-g6PxWa6ZLjeQdDAM0ImBSqpdYnC6InCUTCCbMLxhMHMsMNu+JbHRjIQZ/anjBcP69of6hiqfGmTl+3gBn1qu/A==',
  ],
  [
    '@tensorflow/tfjs-backend-cpu',
    '4.22.0',
    'sha512-1u0FmuLGuRAi8D2c3cocHTASGXOmHc/4OvoVDENJayjYkS119fcTcQf4iHrtLthWyDIPy3JiPhRrZQC9EwnhLw==',
    { '@types/seedrandom': '^2.4.28', seedrandom: '^3.0.5' },
  ],
  [
    '@tensorflow/tfjs-backend-webgpu',
    '4.22.0',
    'sha512-lvIc7Af4Tl2BCdYp43iQmSCRq3asaKT0q2xaErphXiUZ+jqeB0bQa0ZvQys1Xatvto0U4/c90DVsHPfvkn5ftg==',
    { '@tensorflow/tfjs-backend-cpu': '4.22.0' },
  ],
  [
    '@tensorflow/tfjs-core',
    '4.22.0',
    'sha512-LEkOyzbknKFoWUwfkr59vSB68DMJ4cjwwHgicXN0DUi3a0Vh1Er3JQqCI1Hl86GGZQvY8ezVrtDIvqR1ZFW55A==',
    {
      '@types/long': '^4.0.1',
      '@types/offscreencanvas': '~2019.7.0',
      '@types/seedrandom': '^2.4.28',
      '@webgpu/types': '0.1.38',
      long: '4.0.0',
      'node-fetch': '~2.6.1',
      seedrandom: '^3.0.5',
    },
  ],
  [
    '@types/long',
    '4.0.2',
    'sha512-MqTGEo5bj5t157U6fA/BiDynNkn0YknVdh48CMPkTSpFTVmvao5UQmm7uEF6xBEo7qIMAlY/JSleYaE6VOdpaA==',
  ],
  [
    '@types/offscreencanvas',
    '2019.7.3',
    'sha512-ieXiYmgSRXUDeOntE1InxjWyvEelZGP63M+cGuquuRLuIKKT1osnkXjxev9B7d1nXSug5vpunx+gNlbVxMlC9A==',
  ],
  [
    '@types/seedrandom',
    '2.4.34',
    'sha512-ytDiArvrn/3Xk6/vtylys5tlY6eo7Ane0hvcx++TKo6RxQXuVfW0AF/oeWqAj9dN29SyhtawuXstgmPlwNcv/A==',
  ],
  [
    '@webgpu/types',
    '0.1.38',
    'sha512-7LrhVKz2PRh+DD7+S+PVaFd5HxaWQvoMqBbsV9fNJO1pjUs1P8bM2vQVNfk+3URTqbuTI7gkXi0rfsN0IadoBA==',
  ],
  ['long', '4.0.0', 'sha512-XsP+KhQif4bjX1kbuSiySJFNAehNxgLb6hPRGJ9QsUr8ajHkuXGdrHmFUTUUXhDwVX2R5bY4JNZEwbUiMhV+MA=='],
  [
    'node-fetch',
    '2.6.13',
    'sha512-StxNAxh15zr77QvvkmveSQ8uCQ4+v5FkvNTj0OESmiHu+VRi/gXArXtkWMElOsOUNLtUEvI4yS+rdtOHZTwlQA==',
    { 'whatwg-url': '^5.0.0' },
  ],
  [
    'seedrandom',
    '3.0.5',
    'sha512-8OwmbklUNzwezjGInmZ+2clQmExQPvomqjL7LFqOYqtmuxRgQYqOD3mHaU+MvZn5FLUeVxVfQjwLZW/n/JFuqg==',
  ],
  ['tr46', '0.0.3', 'sha512-N3WMsuqV66lT30CrXNbEjx4GEwlow3v6rr4mCcv6prnfwhS01rkgyFdjPNBYd9br7LpXV1+Emh01fHnq2Gdgrw=='],
  [
    'webidl-conversions',
    '3.0.1',
    'sha512-2JAn3z8AR6rjK8Sm8orRC0h/bcl/DqL7tRPdGZ4I1CjdF+EaMLmYxBHyXuKL849eucPFhvBoxMsflfOb8kxaeQ==',
  ],
  [
    'whatwg-url',
    '5.0.0',
    'sha512-saE57nupxk6v3HY35+jzBwYa0rKSy0XR8JSxZPwgLr7ys0IBzhGviA1/TUGJLmSVqs8pb9AnvICXEuOHLprYTw==',
    { tr46: '~0.0.3', 'webidl-conversions': '^3.0.0' },
  ],
];

/** Variables of a surrounding npm that would lead ours to another folder. */
const misleading = /^npm_(config_(local_)?prefix|config_global|lifecycle_|package_)/i;

/** What decides where things lie. */
export interface Place {
  readonly env: Environment;
  readonly cwd: string;
}

const versions = Object.fromEntries(locked.map(([name, version]) => [name, version]));

/** The manifest and lockfile that npm installs from. */
export function installFiles(): Readonly<Record<'package.json' | 'package-lock.json', string>> {
  const dependencies = Object.fromEntries(wanted.map((name) => [name, versions[name]!]));
  const root = { name: 'crossgate-peers', version: '1.0.0', private: true, dependencies };
  const packages = locked.map(([name, version, integrity, needs]) => [
    `node_modules/${name}`,
    { version, integrity, ...(needs && { dependencies: needs }) },
  ]);
  const { name, version } = root;
  const lock = {
    ...{ name, version, lockfileVersion: 3, requires: true },
    packages: { '': root, ...(Object.fromEntries(packages) as object) },
  };
  return { 'package.json': JSON.stringify(root, null, 2), 'package-lock.json': JSON.stringify(lock, null, 2) };
}

/** The folder of `peers --install`: other versions go into another one. */
export function installedFolder(place: Place): string {
  const digest = createHash('sha256').update(installFiles()['package-lock.json']).digest('hex');
  return join(userCache(place), 'peers', digest.slice(0, 12));
}

const has = async (folder: string, name: string) => (await kindOf(join(folder, 'node_modules', name))) === 'folder';

/**
 * The folder whose node_modules hold the libraries: the one that the user names, else that of `peers --install`.
 * @param from as the user gave it
 * @returns undefined when none was named and none is installed
 * @throws InputError when the folder that is named has none of the libraries
 */
export async function findLibraries(place: Place, from?: string): Promise<string | undefined> {
  if (from === undefined) {
    const folder = installedFolder(place);
    return (await kindOf(folder)) === 'folder' ? folder : undefined;
  }
  const folder = resolve(place.cwd, from);
  const found = await Promise.all(Object.values(libraryOf).map((name) => has(folder, name)));
  if (found.includes(true)) return folder;
  throw new InputError(`--peers-from: no ${Object.values(libraryOf).join(' or ')} in its node_modules`, {
    ...{ code: 'file.not-found', place: folder },
    fix: `npm install ${wanted.map((name) => `${name}@${versions[name]}`).join(' ')} there, or leave it to --install`,
  });
}

/**
 * Installs the libraries into the user's cache by npm, whole or not at all. Runs none of their scripts.
 * @param onLine gets what npm says
 * @returns the folder, and whether it was there before
 * @throws InputError without npm; CrossgateError when npm fails; InterruptedError
 */
export async function installLibraries(
  place: Place,
  { signal, onLine }: { readonly signal?: AbortSignal; readonly onLine?: (line: string) => void } = {},
): Promise<{ readonly folder: string; readonly before: boolean }> {
  const folder = installedFolder(place);
  if ((await kindOf(folder)) === 'folder') return { folder, before: true };
  await makeFolders(join(folder, '..'), 'set CROSSGATE_CACHE to a folder that can be written');
  const making = temporaryName(folder);
  try {
    await mkdir(making);
    for (const [name, text] of Object.entries(installFiles())) await writeFile(join(making, name), `${text}\n`);
    await runNpm(making, place.env, signal, onLine);
    await rename(making, folder).catch(async (error: unknown) => {
      // Another process was faster.
      if ((await kindOf(folder)) !== 'folder') throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return { folder, before: false };
}

function runNpm(
  folder: string,
  env: Environment,
  signal: AbortSignal | undefined,
  onLine: ((line: string) => void) | undefined,
): Promise<void> {
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !misleading.test(name)));
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder];
  const windows = process.platform === 'win32';
  return new Promise((resolve, reject) => {
    const child = spawn(windows ? 'npm.cmd' : 'npm', args, {
      ...{ cwd: folder, env: clean, stdio: ['ignore', 'pipe', 'pipe'], shell: windows },
    });
    const stop = () => void child.kill();
    signal?.addEventListener('abort', stop);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-8000);
        for (const line of text.split('\n')) if (line.trim() !== '') onLine?.(line);
      });
    }
    child.on('error', (error) => {
      reject(
        new InputError(`npm does not start: ${error.message}`, {
          code: 'file.not-found',
          fix: 'install npm, or name a folder that has the libraries: --peers-from DIR',
        }),
      );
    });
    child.on('close', (code) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) reject(new InterruptedError());
      else if (code === 0) resolve();
      else reject(npmError(said, code));
    });
  });
}

/** What npm's own words mean. */
function npmError(said: string, code: number | null): CrossgateError {
  const lines = said.split('\n').filter((line) => /^npm (error|ERR!)/.test(line));
  const words = lines.map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim()).filter((line) => line !== '');
  const problem = `npm installed nothing (exit code ${code}): ${words.slice(0, 3).join('; ') || 'it gave no reason'}`;
  const tampered = words.some((line) => line.includes('EINTEGRITY'));
  const fix = tampered
    ? 'the registry gave a package with another digest than ours: ask another registry (npm config set registry)'
    : 'check the network and the registry (npm ping), or name a folder that has the libraries: --peers-from DIR';
  return new CrossgateError(problem, { code: tampered ? 'network.changed' : 'network.failed', fix });
}
