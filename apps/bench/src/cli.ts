/** The command line: builds the program, runs one command in-process, turns every error into an exit code. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { completionScript, type Shell, shells } from './commands/completion';
import { type KernelsOptions, runKernelsCommand, runPeersCommand } from './commands/kernels';
import { type LoadingOptions, runLoadingCommand } from './commands/loading';
import { runScoringCommand, type ScoringOptions } from './commands/scoring';
import { runTrainingCommand, type TrainingOptions } from './commands/training';
import { runVerifyCommand, type VerifyCommandOptions } from './commands/verify';
import { describeError, ExitCode, exitCodeOf } from './errors';
import type { Io } from './io';
import { version } from './version';

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Adds the options that every command takes. */
function addGlobalOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print one JSON document on standard output'))
    .addOption(new Option('-q, --quiet', 'no progress on standard error'))
    .addOption(new Option('--verbose', 'a stack trace after an error'))
    .addOption(new Option('--adapter <name>', 'GPU to use: software, hardware, or a part of its name'))
    .addOption(new Option('--seed <n>', 'seed of the input data').argParser(wholeNumber(0, 2 ** 32 - 1)))
    .helpOption('-h, --help', 'show this help');
}

/** Builds the program. */
export function buildProgram(io: Io): Command {
  const program = new Command('crossgate-bench');
  const output = {
    writeOut: (text: string) => void io.stdout.write(text),
    writeErr: (text: string) => void io.stderr.write(text),
    // Errors are printed by `main`, once.
    outputError: () => {},
  };
  const configure = (command: Command) => command.exitOverride().configureOutput(output);
  configure(program)
    .description("Checks Crossgate's kernels, and measures them beside what the adapter can do at best.")
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .addHelpText(
      'after',
      '\nExamples:\n  $ crossgate-bench kernels\n  $ crossgate-bench kernels --filter matmul --json\n  $ crossgate-bench verify',
    );

  const repeats = () =>
    new Option('--repeats <n>', 'timed batches; the median counts (default 7)').argParser(wholeNumber(1, 1000));
  const kernels = configure(program.command('kernels'))
    .summary('measure every kernel')
    .description('Measures every kernel at the shapes of real runs, beside an fma loop and a copy in the same run.')
    .option('--filter <name>', 'only kernels whose name, function or shape contains this')
    .option('--peers', 'also what the command peers measures')
    .option('--out <file>', 'also write the JSON document to a file')
    .addOption(repeats());
  addGlobalOptions(kernels)
    .addHelpText(
      'after',
      '\nExamples:\n  $ crossgate-bench kernels\n  $ crossgate-bench kernels --filter attention --adapter software\n  $ crossgate-bench kernels --json > kernels.json',
    )
    .action(() => runKernelsCommand(io, kernels.opts() as KernelsOptions));

  const peers = configure(program.command('peers'))
    .summary('measure the same work here and in PyTorch')
    .description(
      'Measures products, attention, AdamW and a LoRA step of a LLaMA here and, where python3 has torch, in PyTorch.\nResults are compared before they are timed; both are timed on the wall clock.',
    )
    .option('--filter <name>', 'only cases whose name or shape contains this')
    .option('--out <file>', 'also write the JSON document to a file')
    .addOption(repeats());
  addGlobalOptions(peers)
    .addHelpText('after', '\nExamples:\n  $ crossgate-bench peers\n  $ crossgate-bench peers --filter lora --json')
    .action(() => runPeersCommand(io, peers.opts() as KernelsOptions));

  const training = configure(program.command('training'))
    .summary('measure whole trainings')
    .description(
      'Trains on generated clicks at the published settings and larger ones: seconds per epoch, interactions per second, and the\nshare of time in which no kernel runs. Matrix factorization beside PyTorch where python3 has torch.',
    )
    .option('--filter <name>', 'only trainings whose name or shape contains this, e.g. cf')
    .option('--out <file>', 'also write the JSON document to a file')
    .addOption(
      new Option('--epochs <n>', 'timed epochs; the median counts (default 3)').argParser(wholeNumber(1, 1000)),
    );
  addGlobalOptions(training)
    .addHelpText(
      'after',
      '\nExamples:\n  $ crossgate-bench training --filter cf\n  $ crossgate-bench training --filter "cf mf" --epochs 10 --json',
    )
    .action(() => runTrainingCommand(io, training.opts() as TrainingOptions));

  const scoring = configure(program.command('scoring'))
    .summary('measure the scores of many candidates')
    .description(
      'Scores candidates of one user as whole prompts and behind the prefix that these share, on text and with CF vectors fused in,\nand compares the scores.',
    )
    .option('--model <path>', 'model folder or GGUF file (default: random weights of a size that suits the adapter)')
    .addOption(new Option('--candidates <n>', 'how many (default 200)').argParser(wholeNumber(1, 100_000)))
    .addOption(new Option('--history <n>', 'titles before them (default 10)').argParser(wholeNumber(0, 1000)))
    .option('--out <file>', 'also write the JSON document to a file')
    .addOption(
      new Option('--repeats <n>', 'timed rounds; the median counts (default 3)').argParser(wholeNumber(1, 1000)),
    );
  addGlobalOptions(scoring)
    .addHelpText(
      'after',
      '\nExamples:\n  $ crossgate-bench scoring\n  $ crossgate-bench scoring --model models/stories260K/hf --candidates 50 --json',
    )
    .action(() => runScoringCommand(io, scoring.opts() as ScoringOptions));

  const loading = configure(program.command('loading'))
    .summary('measure how fast models load and data sets open')
    .description(
      'Loads models from their files to the device, beside a plain read of the same bytes into buffers, in turns.\nOpens a prepared data set that it generates, beside a plain read of its files.',
    )
    .addArgument(new Argument('[models...]', 'model folders or GGUF files'))
    .addOption(
      new Option('--interactions <n>', 'also open a generated data set of this size').argParser(wholeNumber(1, 1e8)),
    )
    .addOption(
      new Option('--weights <type>', 'how matrices are kept on the device (default: as the file has them)').choices([
        'stored',
        'f32',
        'f16',
        'int8',
        'int4',
      ]),
    )
    .option('--out <file>', 'also write the JSON document to a file')
    .addOption(
      new Option('--repeats <n>', 'timed rounds; the median counts (default 3)').argParser(wholeNumber(1, 1000)),
    );
  addGlobalOptions(loading)
    .addHelpText(
      'after',
      '\nExamples:\n  $ crossgate-bench loading models/stories260K/hf\n  $ crossgate-bench loading model.gguf --weights f32 --json\n  $ crossgate-bench loading --interactions 10000000',
    )
    .action((models: string[]) => runLoadingCommand(io, models, loading.opts() as LoadingOptions));

  const verify = configure(program.command('verify'))
    .summary('check every kernel against float64')
    .description(
      'Runs every kernel and variant, forward and backward, against float64 references on ragged shapes, also under low limits\nand without immediates. Ends with exit code 1 when a kernel is wrong.',
    )
    .option('--filter <name>', 'only kernels whose name contains this')
    .option('--out <file>', 'also write the JSON document to a file')
    .addOption(
      new Option(
        '--jobs <n>',
        'kernels at once (default: 1 on a software adapter, else one per core, at most 8)',
      ).argParser(wholeNumber(1, 64)),
    );
  addGlobalOptions(verify)
    .addHelpText(
      'after',
      '\nExamples:\n  $ crossgate-bench verify\n  $ crossgate-bench verify --filter matmul --json\n  $ crossgate-bench verify --out verify.json',
    )
    .action(() => runVerifyCommand(io, verify.opts() as VerifyCommandOptions));

  configure(program.command('completion'))
    .summary('print a completion script')
    .description('Prints a completion script for a shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices([...shells]))
    .action((shell: Shell) => void io.stdout.write(`${completionScript(program, shell)}\n`));
  return program;
}

/**
 * Runs one command.
 *
 * @param argv arguments without the program's name
 * @returns the exit code; everything the command says is on `io`
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    await buildProgram(io).parseAsync([...argv], { from: 'user' });
    return ExitCode.done;
  } catch (error) {
    if (error instanceof CommanderError) return finishUsage(error, io);
    const code = exitCodeOf(error);
    io.stderr.write(`${code === ExitCode.interrupted ? 'interrupted' : `error: ${describeError(error)}`}\n`);
    if (argv.includes('--verbose') && error instanceof Error) io.stderr.write(`${error.stack}\n`);
    return code;
  }
}

/** Commander's own ends: help and version are done, the rest is wrong usage. */
function finishUsage(error: CommanderError, io: Io): number {
  if (error.exitCode === 0) return ExitCode.done;
  // Called without a command the program prints its help and has no message of its own.
  if (error.code === 'commander.help') return ExitCode.badInput;
  const message = error.message
    .replace(/^error: /, '')
    .split('\n')
    .join(' ');
  io.stderr.write(`error: ${message}; see --help\n`);
  return ExitCode.badInput;
}
