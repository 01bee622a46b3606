/**
 * Code blocks of the documentation run: TypeScript, WGSL, configs, JSON, and the commands of our programs, apart from
 * those of not-run.mjs. One file, since most of its time goes into loading the programs.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { bench } from '../../../apps/bench/src/cli';
import { crossgate as declaration } from '../../../apps/train/src/cli';
import { type LiveRun, loadConfig, openLiveRun, openSession } from '../../../packages/experiment/src';
import { openDevice } from '../../../packages/gpu/src/node';
import { createServer, listen } from '../../../packages/serve/src';
import { buildProgram, type Io, runProgram } from '../../../packages/terminal/src';
import { root } from '../../site/pages.mjs';
import { commandsOf, findBlocks, reasonOf, wordsOf } from '../blocks.mjs';
import { notRun } from '../not-run.mjs';
import { addedTo, shortened } from '../shortened.mjs';
import { crossgate, makeReader } from './reader';
import { type Served, startServing } from './served';

const blocks = findBlocks().map((block) => ({ ...block, name: `${block.file}:${block.line}` }));
const commands = blocks
  .filter(({ language }) => language === 'sh')
  .flatMap((block) => commandsOf(block).map((command) => ({ ...command, file: block.file })));
const ofLanguage = (...languages: string[]) =>
  blocks.filter(({ language, file, text }) => languages.includes(language) && reasonOf(file, text) === undefined);

it('knows every language', () => {
  const known = ['', 'sh', 'ts', 'yaml', 'json', 'wgsl'];
  expect(blocks.filter(({ language }) => !known.includes(language)).map(({ name }) => name)).toEqual([]);
});

it.each(ofLanguage('json').map(({ name, text }) => [name, text]))('%s is JSON', (_, text) => {
  expect(JSON.parse(text)).toBeTypeOf('object');
});

it.each(ofLanguage('yaml').map(({ name, text }) => [name, text]))('%s is a config', async (_, text) => {
  const cwd = await mkdtemp(join(tmpdir(), 'crossgate-config-'));
  try {
    // A part of a config stands in one of a method.
    const whole = /^(method|extends):/m.test(text) ? text : `method: mf\n${text}`;
    await writeFile(join(cwd, 'own.yaml'), whole.replace(/^extends: /m, `extends: ${root}configs/ml-1m/`));
    const config = await loadConfig('own.yaml', { cwd });
    expect(config.method).toBeTypeOf('string');
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
});

type Command = ReturnType<typeof buildProgram>;
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
const io: Io = {
  ...{ stdin: Readable.from([]), stdout: silent, stderr: silent, stderrIsTerminal: false },
  ...{ env: {}, cwd: root, signal: new AbortController().signal },
};
const programs: Record<string, Command> = {
  crossgate: buildProgram(declaration, io),
  'crossgate-bench': buildProgram(bench, io),
};

/** What is wrong with a command line of one of our programs. */
function problemsOf(program: Command, words: readonly string[]): string[] {
  let command = program;
  let rest = [...words];
  for (const word of words) {
    const next = command.commands.find((child) => child.name() === word);
    if (next === undefined) break;
    command = next;
    rest = rest.slice(1);
  }
  if (command.commands.length > 0 && !rest.includes('--help')) return [`no command ${rest[0] ?? ''}`];
  const problems: string[] = [];
  for (const word of rest) {
    if (/^--?[a-z]/.test(word) && word !== '--help') {
      const [name] = word.split('=');
      const known = [...command.options, ...program.options].some(({ long, short }) => name === long || name === short);
      if (!known) problems.push(`no option ${word}`);
    }
    if (/^configs\/.*\.yaml$/.test(word) && !existsSync(join(root, word))) problems.push(`no file ${word}`);
  }
  return problems;
}

it('has commands whose names, options and configs exist', () => {
  const problems = commands.flatMap(({ place, words: [name = '', ...words] }) => {
    const program = programs[name];
    return program ? problemsOf(program, words).map((problem) => `${place} ${problem}`) : [];
  });
  expect(problems).toEqual([]);
});

it('finds a command, an option and a config that do not exist', () => {
  const problems = (line: string) => problemsOf(programs.crossgate!, wordsOf(line));
  expect(problems('recomend runs/mf-1')).toEqual(['no command recomend']);
  expect(problems('recommend runs/mf-1 --user 1 --tops 3')).toEqual(['no option --tops']);
  expect(problems('train configs/none.yaml --set a.b=1')).toEqual(['no file configs/none.yaml']);
});

it('reads commands as a shell does', () => {
  const block = { file: 'a.md', line: 4, language: 'sh' };
  const text = 'npm run -s crossgate -- train a.yaml \\\n  --set \'a.b={c: "d"}\'   # why\ncrossgate doctor # x\n';
  expect(commandsOf({ ...block, text })).toEqual([
    {
      place: 'a.md:4',
      shown: `npm run -s crossgate -- train a.yaml   --set 'a.b={c: "d"}'`,
      words: ['crossgate', 'train', 'a.yaml', '--set', 'a.b={c: "d"}'],
    },
    { place: 'a.md:6', shown: 'crossgate doctor', words: ['crossgate', 'doctor'] },
  ]);
});

it('names no reason that nothing needs', () => {
  const shown = [
    ...commands.map(({ file, shown }) => ({ file, shown })),
    ...blocks.map((block) => ({ file: block.file, shown: block.text })),
  ];
  const needless = notRun.filter(
    ({ where, what }) => !shown.some(({ file, shown }) => (where ?? file) === file && what.test(shown)),
  );
  expect(needless.map(({ what }) => String(what))).toEqual([]);
});

it('shortens no command that is not there', () => {
  const due = commands.filter(({ file, shown }) => reasonOf(file, shown) === undefined);
  const needless = shortened.filter(({ what }) => !due.some(({ shown }) => what.test(shown)));
  expect(needless.map(({ what }) => String(what))).toEqual([]);
});

it('has npm scripts that exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const named = commands.flatMap(({ place, shown }) => {
    const [, name = ''] = shown.match(/^npm run(?: -s)? ([\w-]+)/) ?? [];
    return name === '' || name in scripts ? [] : [`${place} ${name}`];
  });
  expect(named).toEqual([]);
});

/** Our packages as blocks name them, by the sources of their entries: not all are dependencies of the root. */
const sources = new Map(
  ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((folder) => {
      const manifest = JSON.parse(readFileSync(join(root, group, folder, 'package.json'), 'utf8'));
      const entries = Object.entries<Record<string, string>>(manifest.exports ?? {});
      return entries.map(([entry, files]): [string, string] => [
        `${manifest.name}${entry.slice(1)}`,
        join(root, group, folder, files['@crossgate/source'] ?? ''),
      ]);
    }),
  ),
);

/** What makes a block take seconds: fewer epochs, and no wait for the end of a server. */
const shorter: readonly [RegExp, string][] = [
  [/\bepochs: (500|200)\b/, 'epochs: 1'],
  [/warmupEpochs: 250/, 'warmupEpochs: 0'],
  [/cfDim: (128|64)/, 'cfDim: 8'],
  [/port: 8080/, 'port: 0'],
  [/^await server\.lost;.*$/m, ''],
];

/** The folder of a reader; see reader.ts. */
let cwd = '';
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'crossgate-reader-'));
  await makeReader(cwd);
}, 300_000);
afterAll(() => rm(cwd, { recursive: true, force: true }));

describe('commands', () => {
  /** What a page leaves open, and what stands for it here. */
  const meanings: Record<string, string> = {
    ...{ RUN: 'runs/ccf-1', PATH: 'models/stories260K/hf', CONFIG: 'configs/ml-1m/ccf-mf-stories260k.yaml' },
    ...{ 'SmolLM2-135M': 'models/stories260K/hf' },
    ...{ 'HuggingFaceTB/SmolLM2-135M': 'models/stories260K/hf', FILE: 'shop/purchases.csv' },
    'llm.path=PATH': 'llm.path=models/stories260K/hf',
    // A test opens nothing to others.
    '0.0.0.0': '127.0.0.1',
  };

  /** Runs `crossgate-bench ARGS`. @throws Error when it fails, with what it said */
  async function benchIn(cwd: string, args: readonly string[]): Promise<void> {
    let said = '';
    const stderr = new Writable({
      write(chunk, _encoding, done) {
        said += String(chunk);
        done();
      },
    });
    const code = await runProgram(bench, args, { ...io, stderr, cwd });
    if (code !== 0) throw new Error(`exit code ${code}: ${said.trim().split('\n').slice(-2).join(' ')}`);
  }

  // A training that two pages show is run for the first: each is in a folder of its own.
  const firstFile = new Map<string, string>();
  const due = commands.filter(({ file, shown, words }) => {
    if (reasonOf(file, shown) !== undefined) return false;
    const key = words.join(' ');
    if (!firstFile.has(key)) firstFile.set(key, file);
    return words[1] !== 'train' || firstFile.get(key) === file;
  });
  const pages = [...new Set(due.map(({ file }) => file))];
  it.each(pages.map((page) => [page, due.filter(({ file }) => file === page)] as const))(
    'of %s run',
    async (_page, lines) => {
      // Files of one page do not reach another.
      const own = await mkdtemp(join(tmpdir(), 'crossgate-page-'));
      let served: Served | undefined;
      try {
        await cp(cwd, own, { recursive: true, verbatimSymlinks: true });
        // A page that trains a language model means that run by RUN.
        let means = meanings;
        const run = async ({ place, shown, words }: (typeof lines)[number]): Promise<void> => {
          const [name, ...args] = words.map((word) => means[word] ?? word);
          const added = addedTo(shown);
          if (name === 'curl' && served) await served.ask(args);
          else if (name === 'crossgate-bench') await benchIn(own, [...args, ...added]);
          else if (name === 'crossgate' && args[0] === 'serve') {
            await served?.stop();
            served = undefined;
            served = await startServing(args, own);
          } else if (name === 'crossgate') {
            // A training stands in a folder of its own, as the run that the page names is there already.
            const isOwn = args[0] === 'train' && !args.includes('--run');
            const folder = `trained/${place.split(':')[1]}`;
            await crossgate(own, ...args, ...added, ...(isOwn ? ['--run', folder] : []));
            if (isOwn && /ccf/.test(shown)) means = { ...meanings, RUN: folder };
          } else throw new Error('nothing runs this, and not-run.mjs has no reason');
        };
        const problems: string[] = [];
        for (const line of lines)
          await run(line).catch((error) => problems.push(`${line.place}: ${line.shown}: ${(error as Error).message}`));
        expect(problems).toEqual([]);
      } finally {
        await served?.stop();
        await rm(own, { recursive: true, force: true });
      }
    },
    300_000,
  );
});

describe('TypeScript', () => {
  const kept = { cwd: process.cwd(), argv: process.argv };
  let own = '';
  let fresh = '';
  beforeAll(async () => {
    // Below the root, where packages are found by their names.
    await mkdir(join(root, '.cache'), { recursive: true });
    own = await mkdtemp(join(root, '.cache', 'blocks-'));
    // Without runs, for a block that trains one.
    fresh = await mkdtemp(join(tmpdir(), 'crossgate-fresh-'));
    await symlink(join(root, 'configs'), join(fresh, 'configs'));
    process.argv = process.argv.slice(0, 2);
  }, 300_000);
  afterAll(async () => {
    process.chdir(kept.cwd);
    process.argv = kept.argv;
    for (const folder of [own, fresh]) await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    vi.spyOn(console, 'log').mockImplementation(() => {});
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  /** Writes a block as a module and imports it. */
  async function runBlock(name: string, text: string): Promise<Record<string, unknown>> {
    const path = join(own, `${name.replace(/\W+/g, '-')}.ts`);
    await mkdir(dirname(path), { recursive: true });
    const named = text.replace(/(?<=from ')@crossgate\/[^']+/g, (specifier) => sources.get(specifier) ?? specifier);
    const code = shorter.reduce((changed, [from, to]) => changed.replace(from, to), named);
    await writeFile(path, `${code}\nexport {};\n`);
    process.chdir(/runExperiment/.test(text) ? fresh : cwd);
    return import(path);
  }

  const special = /^import source from|CROSSGATE_URL/m;
  it.each(
    ofLanguage('ts')
      // The same text twice is run once.
      .filter(({ text }, index, all) => !special.test(text) && all.findIndex((other) => other.text === text) === index)
      .map(({ name, text }) => [name, text]),
  )('%s runs', async (name, text) => {
    await runBlock(name, text);
  });

  it('shows a kernel that computes what its page says', async () => {
    const wgsl = ofLanguage('wgsl');
    const launchers = ofLanguage('ts').filter(({ text }) => /^import source from/m.test(text));
    expect([wgsl.length, launchers.length]).toEqual([1, 1]);
    await writeFile(join(own, 'square.wgsl'), wgsl[0]!.text);
    const module = await runBlock(launchers[0]!.name, launchers[0]!.text);
    const square = module.square as (device: unknown, args: unknown) => void;
    const device = await openDevice();
    {
      using _ = device.step();
      const [x, out] = [device.memory.allocate(4 * 70), device.memory.allocate(4 * 70)];
      const values = Float32Array.from({ length: 70 }, (_, i) => i - 30);
      device.recorder.write(x, values);
      square(device, { x, out, count: 70 });
      const squares = new Float32Array(await device.recorder.read(out));
      expect(Array.from(squares)).toEqual(Array.from(values, (value) => value * value));
    }
    await device.destroy();
  });

  it('shows a client that a server answers', async () => {
    const [client] = ofLanguage('ts').filter(({ text }) => /CROSSGATE_URL/.test(text));
    process.chdir(cwd);
    await using session = openSession();
    await using run: LiveRun = await openLiveRun(session, 'runs/mf-1');
    await using server = await createServer(run, { tokens: ['a-long-random-token'] });
    const { url } = await listen(server, { port: 0 });
    vi.stubEnv('CROSSGATE_URL', url);
    vi.stubEnv('CROSSGATE_TOKEN', 'a-long-random-token');
    await runBlock(client!.name, client!.text);
    expect(console.log).toHaveBeenCalledTimes(5);
  });
});
