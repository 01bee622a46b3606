/** The help of both programs is true: every command shows examples of itself, with options and configs that exist. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { bench } from '../apps/bench/src/cli';
import { crossgate } from '../apps/train/src/cli';
import { buildProgram } from '../packages/terminal/src';

const root = fileURLToPath(new URL('../', import.meta.url));
type Command = ReturnType<typeof buildProgram>;

/** A program whose help goes to `shown`. */
function build(declaration: typeof crossgate) {
  const shown: string[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      shown.push(chunk.toString());
      done();
    },
  });
  const signal = new AbortController().signal;
  const io = { stdin: Readable.from([]), stdout, stderr: stdout, stderrIsTerminal: false, env: {}, cwd: root, signal };
  return { program: buildProgram(declaration, io), shown };
}

const commandsOf = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsOf)];

/** The command that the words of an example begin with, from the program down. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((child) => child.name() === word);
    if (next === undefined) return command;
    command = next;
  }
  return command;
}

it.each([crossgate, bench])('every command of $name shows examples that exist', (declaration) => {
  const { program, shown } = build(declaration);
  const problems: string[] = [];
  for (const command of commandsOf(program)) {
    shown.length = 0;
    command.outputHelp();
    const [, after = ''] = shown.join('').split('\nExamples:\n');
    const examples = after.split('\n').flatMap((line) => (line.startsWith('  $ ') ? [line.slice(4)] : []));
    let own = 0;
    for (const example of examples) {
      const [name, ...words] = example.split(' ');
      const meant = commandOf(program, words);
      if (commandsOf(command).includes(meant)) own++;
      const isCommand = meant.commands.length === 0 || words.includes('--help');
      if (name !== declaration.name || !isCommand) problems.push(`no such command: ${example}`);
      for (const [index, word] of words.entries()) {
        const known = word === '--help' || meant.options.some(({ long, short }) => word === long || word === short);
        if (/^--?[a-z]/.test(word) && !known) problems.push(`no option ${word}: ${example}`);
        const isRead = /^configs\/.*\.yaml$/.test(word) && words[index - 1] !== '--out';
        if (isRead && !existsSync(join(root, word))) problems.push(`no file ${word}: ${example}`);
      }
    }
    if (own === 0) problems.push(`${command.name()}: no examples`);
  }
  expect(problems).toEqual([]);
});
