/** The command line: builds the program, runs one command in-process, turns every error into an exit code. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { registerAdapter } from './commands/adapter';
import { registerCompare } from './commands/compare';
import { registerCompletion } from './commands/completion';
import { registerConfig } from './commands/config';
import { registerData } from './commands/data';
import { registerDemo } from './commands/demo';
import { registerDoctor } from './commands/doctor';
import { registerEvaluate } from './commands/evaluate';
import { registerGenerate } from './commands/generate';
import type { Host } from './commands/host';
import { registerInit } from './commands/init';
import { registerLogits } from './commands/logits';
import { registerMetrics } from './commands/metrics';
import { registerModel } from './commands/model';
import { registerPredict } from './commands/predict';
import { registerRecommend } from './commands/recommend';
import { registerTokenize } from './commands/tokenize';
import { registerTrain } from './commands/train';
import { createContext, type GlobalOptions } from './context';
import { describeError, ExitCode, exitCodeOf, InputError } from './errors';
import { type Io, write } from './io';
import { version } from './version';

function parseSeed(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value < 2 ** 32)) throw new InvalidArgumentError('It must be a whole number from 0 to 4294967295.');
  return value;
}

/** Adds the options that every command takes, so that they may stand anywhere on the line. */
function addGlobalOptions(command: Command): Command {
  const group = 'Options of every command:';
  const options = [
    new Option('--json', 'print one JSON document on standard output'),
    new Option('-q, --quiet', 'only warnings and errors on standard error'),
    new Option('--verbose', 'more detail, and a stack trace after an error'),
    new Option('--adapter <name>', 'GPU to use: software, hardware, or a part of its name'),
    new Option('--seed <n>', 'seed of every random choice').argParser(parseSeed),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
  return command.helpOption('-h, --help', 'show this help');
}

/** Values named so in a command's usage are paths. */
const PATH_VALUE = /<(dir|path|file)>/;

/**
 * Refuses empty paths, which a script gives when a variable is not set and which would stand for the working folder.
 * @throws InputError naming the option or argument
 */
function refuseEmptyPaths(command: Command): void {
  for (const option of command.options) {
    if (PATH_VALUE.test(option.flags) && command.getOptionValue(option.attributeName()) === '') {
      throw new InputError(`${option.long}: is empty; give a path`);
    }
  }
  command.registeredArguments.forEach((argument, index) => {
    if (command.processedArgs[index] === '') throw new InputError(`<${argument.name()}>: is empty; give a value`);
  });
}

/** Builds the program. `run` is called with the chosen command. */
export function buildProgram(io: Io, run: (work: Promise<void>) => Promise<void> = (work) => work): Command {
  const program = new Command('crossgate');
  const output = {
    writeOut: (text: string) => void io.stdout.write(text),
    writeErr: (text: string) => void io.stderr.write(text),
    // Errors are printed by `main`, once.
    outputError: () => {},
  };
  const configure = (command: Command) => command.exitOverride().configureOutput(output).showSuggestionAfterError(true);
  configure(program)
    .description('Trains and runs recommenders that join collaborative filtering and language models, on WebGPU.')
    .version(version, '--version', 'print the version')
    .enablePositionalOptions();
  addGlobalOptions(program);
  const host: Host = {
    add(parent, usage, summary, examples = []) {
      const command = configure(parent.command(usage)).description(summary).summary(summary);
      addGlobalOptions(command);
      if (examples.length > 0) {
        command.addHelpText(
          'after',
          `\nExamples:\n${examples.map((example) => `  $ crossgate ${example}`).join('\n')}`,
        );
      }
      return command;
    },
    handle(command, handler) {
      command.action(async () => {
        const options = command.optsWithGlobals();
        refuseEmptyPaths(command);
        const context = createContext(io, options as GlobalOptions);
        await run(handler(context, options as never, command.processedArgs as string[]));
      });
      return command;
    },
  };
  registerDemo(program, host);
  registerDoctor(program, host);
  registerData(program, host);
  registerInit(program, host);
  registerTrain(program, host);
  registerEvaluate(program, host);
  registerPredict(program, host);
  registerRecommend(program, host);
  registerCompare(program, host);
  registerMetrics(program, host);
  registerGenerate(program, host);
  registerLogits(program, host);
  registerTokenize(program, host);
  registerModel(program, host);
  registerAdapter(program, host);
  registerConfig(program, host);
  registerCompletion(program, host);
  program.addHelpText(
    'after',
    '\nExamples:\n  $ crossgate doctor\n  $ crossgate train configs/ml-1m/mean.yaml --set data.path=ml-1m\n  $ crossgate train --help',
  );
  return program;
}

/**
 * Runs one command.
 * @param argv arguments without the program's name
 * @returns the exit code; everything the command says is on `io`
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const verbose = argv.includes('--verbose');
  const program = buildProgram(io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return io.signal.aborted ? ExitCode.interrupted : ExitCode.done;
  } catch (error) {
    if (error instanceof CommanderError) return finishUsage(error, io);
    const interrupted = exitCodeOf(error) === ExitCode.interrupted;
    const code = interrupted || io.signal.aborted ? ExitCode.interrupted : exitCodeOf(error);
    await write(io.stderr, `${code === ExitCode.interrupted ? 'interrupted' : `error: ${describeError(error)}`}\n`);
    if (verbose && error instanceof Error && error.stack !== undefined) await write(io.stderr, `${error.stack}\n`);
    return code;
  }
}

/** Commander's own ends: help and version are done, the rest is wrong usage. */
async function finishUsage(error: CommanderError, io: Io): Promise<number> {
  if (error.exitCode === 0) return ExitCode.done;
  // A group of commands called without one prints its help and has no message of its own.
  if (error.code === 'commander.help') return ExitCode.badInput;
  const lines = error.message.replace(/^error: /, '').split('\n');
  await write(io.stderr, `error: ${lines.join(' ')}; see --help\n`);
  return ExitCode.badInput;
}
