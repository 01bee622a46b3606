// A program of one command: options, one JSON document with --json, exit codes.
import { buildProgram, runProgram } from '@crossgate/terminal';

const program = {
  name: 'greet',
  description: 'Greets.',
  version: '1.0.0',
  seed: 'is not used',
  examples: ['hello Ann'],
  commands: [
    (parent, host) => {
      const command = host.add(parent, 'hello <name>', 'Say hello', ['hello Ann --json']);
      host.handle(command, (context, _options, [name]) => context.emit({ hello: name }, () => `hello ${name}`));
    },
  ],
};
const { stdin, stdout, stderr, env } = process;
const signal = new AbortController().signal;
const io = { stdin, stdout, stderr, stderrIsTerminal: false, env, cwd: process.cwd(), signal };
console.log(buildProgram(program, io).commands.map((command) => command.name())); // hello, completion
console.log('exit code', await runProgram(program, ['hello', 'Ann', '--json'], io));
