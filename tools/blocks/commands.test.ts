/** Commands in the documentation exist, with their options and configs; and they run, apart from those of not-run.mjs. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bench } from '../../apps/bench/src/cli';
import { crossgate as declaration } from '../../apps/train/src/cli';
import { buildProgram } from '../../packages/terminal/src';
import { root } from '../site/pages.mjs';
import { commandsOf, findBlocks, reasonOf, wordsOf } from './blocks.mjs';
import { notRun } from './not-run.mjs';
import { brief, crossgate, makeReader } from './reader';

const blocks = findBlocks();
const shells = blocks.filter(({ language }) => language === 'sh');
const commands = shells.flatMap((block) => commandsOf(block).map((command) => ({ ...command, file: block.file })));

type Command = ReturnType<typeof buildProgram>;
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
const io = {
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

describe('the commands', () => {
  let cwd = '';
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'crossgate-reader-'));
    await makeReader(cwd);
  }, 300_000);
  afterAll(() => rm(cwd, { recursive: true, force: true }));

  /** What a page leaves open, and what stands for it here. */
  const meanings: Record<string, string> = {
    ...{ RUN: 'runs/ccf-1', PATH: 'models/stories260K/hf', CONFIG: 'configs/ml-1m/ccf-mf-stories260k.yaml' },
    ...{ 'downloads/ml-1m': 'data/ml-1m', 'SmolLM2-135M': 'models/stories260K/hf' },
    ...{ 'HuggingFaceTB/SmolLM2-135M': 'models/stories260K/hf', FILE: 'shop/purchases.csv' },
    'llm.path=PATH': 'llm.path=models/stories260K/hf',
  };

  const due = commands.filter(({ file, shown }) => reasonOf(file, shown) === undefined);
  const pages = [...new Set(due.map(({ file }) => file))];
  it.each(pages.map((page) => [page, due.filter(({ file }) => file === page)] as const))(
    'of %s run',
    async (_page, lines) => {
      // Files of one page do not reach another.
      const own = await mkdtemp(join(tmpdir(), 'crossgate-page-'));
      try {
        await cp(cwd, own, { recursive: true, verbatimSymlinks: true });
        const problems: string[] = [];
        for (const { place, shown, words } of lines) {
          const [name, ...args] = words.map((word) => meanings[word] ?? word);
          if (name !== 'crossgate')
            problems.push(`${place}: nothing runs this, and not-run.mjs has no reason: ${shown}`);
          else {
            const isTraining = args[0] === 'train';
            // A training stands in a folder of its own, as the run that the page names is there already.
            const run =
              isTraining && !args.includes('--run')
                ? ['--run', `trained/${problems.length}-${place.split(':')[1]}`]
                : [];
            await crossgate(own, ...args, ...(isTraining ? [...brief, ...run] : [])).catch((error) =>
              problems.push(`${place}: ${shown}: ${error.message}`),
            );
          }
        }
        expect(problems).toEqual([]);
      } finally {
        await rm(own, { recursive: true, force: true });
      }
    },
    300_000,
  );
});
