/** The files by which a run is put into production name options, files and versions that exist. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '@crossgate/terminal';
import { findShellcheck, noShellcheck } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { crossgate } from '../src/cli';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');

/** The options that a command has. */
function optionsOf(name: string): string[] {
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io = { stdin: Readable.from([]), stdout, stderr: stdout, stderrIsTerminal: false, env: {}, cwd: root };
  const program = buildProgram(crossgate, { ...io, signal: new AbortController().signal });
  return program.commands.find((command) => command.name() === name)!.options.map(({ long }) => long!);
}

/** Lists of words that start the server, by the file that they stand in. */
const dockerfile = read('Dockerfile');
const unit = read('docs/deploy/crossgate.service');
const compose = parse(read('docs/deploy/compose.yaml'));
const starts = {
  Dockerfile: JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)![1]!) as string[],
  'crossgate.service': /^ExecStart=\S+ \S+ (.*)$/m.exec(unit)![1]!.split(' '),
  'compose.yaml': compose.services.crossgate.command as string[],
};

it.each(Object.entries(starts))('%s starts the server by options that it has', (_, [command, ...words]) => {
  expect(command).toBe('serve');
  const used = words.filter((word) => word.startsWith('--'));
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((word) => !optionsOf('serve').includes(word))).toEqual([]);
});

const job = (name: string) => parse(read(`docs/deploy/${name}`));
const slurm = read('docs/deploy/shards.slurm');

it('starts shards and workers by options that they have', () => {
  const containers = ['shards-job.yaml', 'work-job.yaml'].flatMap((name) => {
    const { initContainers = [], containers: own } = job(name).spec.template.spec;
    return [...initContainers, ...own] as { args: string[] }[];
  });
  const [, ofSlurm] = /^exec crossgate (.*)$/m.exec(slurm)!;
  const lines = [...containers.map(({ args }) => args), ofSlurm!.split(' ')];
  expect(lines.map(([command]) => command)).toEqual(['predict', 'work', 'work', 'predict']);
  for (const [command, ...words] of lines) {
    const used = words.flatMap((word) => /--[a-z-]+/.exec(word) ?? []);
    expect(used.length).toBeGreaterThan(1);
    expect(used.filter((word) => !optionsOf(command!).includes(word))).toEqual([]);
  }
  // The enqueuer and the workers mean one job.
  expect(lines[1]!.slice(0, 6)).toEqual(lines[2]);
});

it('tells the pods of a job how many they are, and the image by the version', () => {
  const { spec } = job('shards-job.yaml');
  const [{ env, image }] = spec.template.spec.containers;
  expect([spec.completionMode, env]).toEqual([
    'Indexed',
    [{ name: 'CROSSGATE_SHARDS', value: String(spec.completions) }],
  ]);
  expect(image).toBe(`crossgate:${JSON.parse(read('package.json')).version}`);
  expect(read('docs/scale.md')).toContain(`docker build --tag ${image} .`);
});

const scripts = readdirSync(join(root, 'docs/deploy')).filter((name) => /\.(slurm|sh)$/.test(name));
const shellcheck = findShellcheck();

it.skipIf(process.platform === 'win32').each(scripts)('bash can read %s', (name) => {
  const path = join(root, 'docs/deploy', name);
  expect(spawnSync('bash', ['-n', path], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

it.skipIf(shellcheck === null).each(scripts)(
  `shellcheck finds nothing in %s${shellcheck === null ? ` (${noShellcheck})` : ''}`,
  (name) => {
    const checked = spawnSync(shellcheck!, [join(root, 'docs/deploy', name)], { encoding: 'utf8' });
    expect(checked).toMatchObject({ stdout: '', status: 0 });
  },
);

it.skipIf(process.platform === 'win32')('trains and goes on from a checkpoint by the script for Slurm', () => {
  expect(scripts).toEqual(['shards.slurm', 'train.slurm']);
  const train = read('docs/deploy/train.slurm');
  const [, command, ...words] = /^exec srun .* crossgate (\w+) (.*)$/m.exec(train)!;
  const used = words.join(' ').match(/--[a-z-]+/g)!;
  expect(used.filter((word) => !optionsOf(command!).includes(word))).toEqual([]);
  // Runs the script with a program that prints its arguments.
  const line = (folder: string) => {
    const env = { CONFIG: 'c.yaml', RUN: folder, PATH: process.env.PATH };
    const script = `srun() { printf '%s\\n' "$@"; }; ${train.replace(/^exec /m, '')}`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8', env }).stdout.split('\n').slice(0, -1);
  };
  const start = ['--mpi=pmix', '--kill-on-bad-exit=1', 'crossgate', 'train', 'c.yaml', '--run'];
  expect(line('none here')).toEqual([...start, 'none here']);
  const begun = mkdtempSync(join(tmpdir(), 'crossgate-test-'));
  writeFileSync(join(begun, 'config.yaml'), '');
  expect(line(begun)).toEqual([...start, begun, '--resume']);
  rmSync(begun, { recursive: true });
});

it.skipIf(process.platform === 'win32')('has a script for Slurm that shardOf can read', () => {
  const [, last] = /^#SBATCH --array=0-(\d+)$/m.exec(slurm)!;
  // Runs the script with a program that prints its arguments.
  const line = (more: object) => {
    const env = { ...{ RUN: 'r', PAIRS: 'p', OUT: 'o', PATH: process.env.PATH }, ...more };
    const script = `crossgate() { echo "$@"; }; ${slurm.replace(/^exec /m, '')}`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8', env }).stdout;
  };
  expect(line({})).toBe('predict r --pairs p --shard auto --out o\n');
  expect(line({ SHARDS: Number(last) + 1 })).toBe('predict r --pairs p --shard auto --shards 8 --out o\n');
});

it('builds the image with the pinned pnpm, of what the checkout has', () => {
  const { packageManager, scripts } = JSON.parse(read('package.json'));
  expect(dockerfile).toContain(`npx --yes ${packageManager} `);
  expect(read('docs/serving.md')).toContain(`npx ${packageManager} `);
  for (const [, script] of dockerfile.matchAll(/npm run ([\w-]+)/g)) expect(scripts).toHaveProperty(script!);
  const ignored = read('.dockerignore').split('\n');
  for (const needed of ['tools', 'packages', 'apps', 'assets', 'configs']) expect(ignored).not.toContain(needed);
  expect(existsSync(join(root, 'docs/deploy', compose.services.crossgate.build, 'Dockerfile'))).toBe(true);
});

it('lets a supervisor start a server anew that lost its GPU, and no other', () => {
  expect(unit).toMatch(/^Restart=on-failure$/m);
  expect(unit).toMatch(/^SuccessExitStatus=130$/m);
  expect(unit).toMatch(/^RestartPreventExitStatus=2$/m);
  expect(compose.services.crossgate.restart).toBe('on-failure');
});
