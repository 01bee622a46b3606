/** A program: builds its command line, runs one command in-process, turns every error into an exit code. */
import { describeError, explainError, InputError, InterruptedError, terminalJson, terminalText } from '@crossgate/core';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { registerCompletion } from './completion';
import { createContext, type GlobalOptions } from './context';
import { ExitCode, exitCodeOf } from './exit-codes';
import type { Host } from './host';
import { type Io, write } from './io';
import { refuseOverwriting } from './outputs';

/** What a program is. */
export interface ProgramDeclaration {
  /** What users type; the first word of every example and of the completion scripts. */
  readonly name: string;
  /** What the program does, in one sentence of its help. */
  readonly description: string;
  /** What `--version` prints. */
  readonly version: string;
  /** What `--seed` is for. */
  readonly seed: string;
  /** Command lines without the program's name. */
  readonly examples: readonly string[];
  /** Adds the commands, in the order in which the help lists them. */
  readonly commands: readonly ((program: Command, host: Host) => void)[];
}

/** Reads a whole number in a range. @throws InvalidArgumentError for anything else */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** Collects a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Adds the options that every command takes, so that they may stand anywhere on the line. */
function addGlobalOptions(command: Command, { seed }: ProgramDeclaration): Command {
  const group = 'Options of every command:';
  const options = [
    new Option('--json', 'print one JSON document on standard output'),
    new Option('-q, --quiet', 'only warnings and errors on standard error'),
    new Option('--verbose', 'more detail, and a stack trace after an error'),
    new Option('--adapter <name>', 'GPU to use: software, hardware, a part of its name, or its number'),
    new Option('--seed <n>', seed).argParser(wholeNumber(0, 2 ** 32 - 1)),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
  return command.helpOption('-h, --help', 'show this help');
}

/** Values named so in a command's usage are paths. */
const pathValue = /<(dir|path|file)(\.\.\.)?>/;

/**
 * Refuses empty paths, which a script gives when a variable is not set and which would stand for the working folder.
 * @throws InputError naming the option or argument
 */
function refuseEmptyPaths(command: Command): void {
  for (const option of command.options) {
    const values = pathValue.test(option.flags) ? [command.getOptionValue(option.attributeName())].flat() : [];
    if (values.includes('')) {
      throw new InputError('is empty', { code: 'usage', place: option.long, fix: 'give a path' });
    }
  }
  command.registeredArguments.forEach((argument, index) => {
    if (command.processedArgs[index] === '')
      throw new InputError(`<${argument.name()}>: is empty`, { code: 'usage', fix: 'give a value' });
  });
}

/** Paths that a command is given besides `--out`: its arguments, options named as paths, and what `--set` calls a path. */
function inputsOf(command: Command): string[] {
  const given = command.options
    .filter(({ flags, long }) => pathValue.test(flags) && long !== '--out')
    .map((option) => command.getOptionValue(option.attributeName()) as unknown);
  const set = (command.getOptionValue('set') ?? []) as readonly string[];
  const paths = set.flatMap((argument) => /^[\w.]+\.path=(.+)$/.exec(argument)?.[1] ?? []);
  const all = [...command.processedArgs.flat(), ...given.flat(), ...paths];
  return all.filter((path): path is string => typeof path === 'string' && path !== '');
}

/** What explains a wrong number of arguments: options that take more of what follows, or less, than was thought. */
function explained(command: Command, error: CommanderError): CommanderError {
  if (error.code === 'commander.excessArguments') {
    const excess = command.args.slice(command.registeredArguments.length);
    const keys = command.options.some(({ long }) => long === '--set') && excess.every((each) => /^[\w.-]+=/.test(each));
    const hint = keys ? '; write --set before each key=value' : '';
    const message = `too many arguments for '${command.name()}': ${excess.join(' ')}${hint}`;
    return new CommanderError(error.exitCode, error.code, message);
  }
  if (error.code !== 'commander.missingArgument') return error;
  const taker = command.options.find(
    (option) => option.variadic && command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (taker === undefined) return error;
  const hint = `; write it before ${taker.long}, which takes every name up to the next option`;
  return new CommanderError(error.exitCode, error.code, `${error.message}${hint}`);
}

/**
 * Builds the command line of a program.
 * @param onEmit called when a command has printed its result
 */
export function buildProgram(declaration: ProgramDeclaration, io: Io, onEmit: () => void = () => {}): Command {
  const { name, description, version, examples, commands } = declaration;
  const program = new Command(name);
  const output = {
    writeOut: (text: string) => void io.stdout.write(text),
    writeErr: (text: string) => void io.stderr.write(text),
    // Errors are printed by `runProgram`, once.
    outputError: () => {},
  };
  const configure = (command: Command) =>
    command
      .exitOverride((error) => {
        throw explained(command, error);
      })
      .configureOutput(output)
      .showSuggestionAfterError(true);
  const addExamples = (command: Command, lines: readonly string[]) =>
    command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${name} ${line}`).join('\n')}`);
  configure(program)
    .description(description)
    .version(version, '--version', 'print the version')
    .enablePositionalOptions();
  addGlobalOptions(program, declaration);
  const host: Host = {
    add(parent, usage, summary, own = []) {
      const command = configure(parent.command(usage)).description(summary).summary(summary);
      addGlobalOptions(command, declaration);
      return own.length > 0 ? addExamples(command, own) : command;
    },
    handle(command, handler) {
      return command.action(async () => {
        const options = command.optsWithGlobals();
        refuseEmptyPaths(command);
        const { out } = options as { out?: unknown };
        if (typeof out === 'string') await refuseOverwriting(out, inputsOf(command), io.cwd);
        const context = createContext(io, options as GlobalOptions, onEmit);
        await handler(context, options as never, command.processedArgs as string[]);
      });
    },
  };
  for (const register of [...commands, registerCompletion]) register(program, host);
  return addExamples(program, examples);
}

/**
 * Runs one command.
 * @param argv arguments without the program's name
 * @param onEmit called when the command has printed its result
 * @returns the exit code; everything the command says is on `io`. With `--json`, a failure is `{error: {code, message,
 *   fix}}` on standard output beside its line on standard error, unless the command printed its result before it failed
 */
export async function runProgram(
  declaration: ProgramDeclaration,
  argv: readonly string[],
  io: Io,
  onEmit: () => void = () => {},
): Promise<number> {
  let emitted = false;
  const noteEmitted = () => {
    emitted = true;
    onEmit();
  };
  try {
    await buildProgram(declaration, io, noteEmitted).parseAsync([...argv], { from: 'user' });
    return io.signal.aborted ? ExitCode.interrupted : ExitCode.done;
  } catch (error) {
    const failure = error instanceof CommanderError ? usageError(error) : error;
    if (failure === null) return ExitCode.done;
    const interrupted = io.signal.aborted || exitCodeOf(failure) === ExitCode.interrupted;
    const code = interrupted ? ExitCode.interrupted : exitCodeOf(failure);
    // Work that is stopped may fail in other words than ours; how to go on is in ours.
    const shown = interrupted && !(failure instanceof InterruptedError) ? new InterruptedError() : failure;
    const { message, ...described } = explainError(shown);
    await write(io.stderr, `${interrupted ? '' : 'error: '}${terminalText(describeError(shown))}\n`);
    const verbose = argv.includes('--verbose') && !(error instanceof CommanderError);
    if (verbose && failure instanceof Error) await write(io.stderr, `${terminalText(failure.stack ?? '')}\n`);
    if (argv.includes('--json') && !emitted) {
      const { code: kind, ...rest } = described;
      await write(io.stdout, `${terminalJson({ error: { code: kind, message, ...rest } }, 2)}\n`);
    }
    return code;
  }
}

/** Commander's own ends: null for help and version, which are done; the rest is wrong usage. */
function usageError(error: CommanderError): InputError | null {
  if (error.exitCode === 0) return null;
  // A group of commands called without one prints its help and has no message of its own.
  if (error.code === 'commander.help') return new InputError('name a command', { code: 'usage', fix: 'see --help' });
  const lines = error.message.replace(/^error: /, '').split('\n');
  return new InputError(lines.join(' '), { code: 'usage', fix: 'see --help' });
}
