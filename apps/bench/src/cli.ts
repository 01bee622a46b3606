/** The program `crossgate-bench`: its commands. */
import { type Host, type Io, type ProgramDeclaration, runProgram, wholeNumber } from '@crossgate/terminal';
import { Argument, type Command, Option } from 'commander';
import { type HostOptions, runHostCommand } from './commands/host';
import { type KernelsOptions, runKernelsCommand, runPeersCommand } from './commands/kernels';
import { type LoadingOptions, runLoadingCommand } from './commands/loading';
import { type ProbeOptions, runProbeCommand } from './commands/probe';
import { runScoringCommand, type ScoringOptions } from './commands/scoring';
import { runTrainingCommand } from './commands/training';
import type { TrainingOptions } from './commands/training-options';
import { runVerifyCommand, type VerifyCommandOptions } from './commands/verify';
import { weightTypes } from './training/device-weights';
import { stepNames } from './training/step-cases';
import { version } from './version';

const outOption = () => new Option('--out <file>', 'also write the JSON document to a file');

const peersFromOption = () =>
  new Option(
    '--peers-from <dir>',
    "folder whose node_modules hold TensorFlow.js or jax-js (default: what `peers --install` made in the user's cache)",
  );

const repeatsOption = (what: string, count: number) =>
  new Option('--repeats <n>', `timed ${what}; the median counts (default ${count})`).argParser(wholeNumber(1, 1000));

function registerKernels(program: Command, host: Host): void {
  const command = host
    .add(program, 'kernels', 'Measure every kernel', [
      'kernels',
      'kernels --filter attention --adapter software',
      'kernels --json > kernels.json',
      'kernels --shapes gpu --seconds 120 --out shapes.json',
      'kernels --shapes gpu --filter int4',
    ])
    .description(
      'Measures every kernel at the shapes of real runs, beside an fma loop and a copy measured in the same run. With --shapes ' +
        'gpu, the kernels of training steps of LLaMA-7B and SmolLM2-135M at their sizes, weights in f32, f16 and int4, products in f32 and, by matrix units, in f16.',
    )
    .option('--filter <name>', 'only kernels whose name, function, shape or type of weights contains this')
    .addOption(new Option('--shapes <kind>', 'shapes of large models, which fill a GPU').choices(['gpu']))
    .addOption(
      new Option('--seconds <n>', 'begin no kernel after so many seconds (default: measure all)').argParser(
        wholeNumber(1, 1e6),
      ),
    )
    .option('--peers', 'also measure what the command peers does')
    .addOption(peersFromOption())
    .addOption(outOption())
    .addOption(repeatsOption('batches', 7));
  host.handle<KernelsOptions>(command, runKernelsCommand);
}

function registerPeers(program: Command, host: Host): void {
  const command = host
    .add(program, 'peers', 'Measure the same work here and in other libraries', [
      'peers --install',
      'peers --filter softmax --json',
      'peers --peers-from ../with-tfjs --out peers.json',
    ])
    .description(
      'Measures matrix products, softmax, norms, attention, AdamW and a LoRA step of a LLaMA here, in TensorFlow.js and ' +
        'jax-js on the same adapter, and, where python3 has them, in PyTorch and PEFT. Compares all results with ours, and ' +
        'ours with float64, before it measures time, in turns and by the wall clock.',
    )
    .option('--filter <name>', 'only cases whose name or shape contains this')
    .option('--install', "first install TensorFlow.js and jax-js with npm into the user's cache, once")
    .addOption(peersFromOption())
    .addOption(outOption())
    .addOption(repeatsOption('rounds', 7));
  host.handle<KernelsOptions>(command, runPeersCommand);
}

function registerTraining(program: Command, host: Host): void {
  const command = host
    .add(program, 'training', 'Measure whole trainings', [
      'training --filter cf',
      'training --filter "cf mf" --epochs 10 --json',
      'training --filter "cf mf published" --profile profiles',
      'training --step 7b --weights int4 --out step.json',
      'training --step smollm2 --layers 2 --tokens 64 --steps 2',
      'training --step 7b --precision f16 --count --json',
    ])
    .description(
      'Trains CF models on generated clicks, with published settings and larger ones. Shows seconds per epoch, interactions ' +
        'per second, and the share of time in which no kernel runs. Compares a step with PyTorch where python3 has torch. ' +
        'With --step, measures one training step of a language model instead, whose weights are made on the device: 7b and ' +
        'smollm2 (LLaMA-7B and SmolLM2-135M, LoRA on 3 x 700 tokens) or inferena (all weights of SmolLM2-135M on 128 tokens).',
    )
    .option('--filter <name>', 'only trainings whose name or shape contains this, e.g. cf')
    .option(
      '--profile [dir]',
      'write where time and memory of one more epoch go, a folder a training (default: profile)',
    )
    .addOption(outOption())
    .addOption(
      new Option('--epochs <n>', 'timed epochs; the median counts (default 3)').argParser(wholeNumber(1, 1000)),
    )
    .addOption(new Option('--step <name>', 'a training step of a language model instead').choices(stepNames))
    .addOption(new Option('--steps <n>', 'timed steps (default 5)').argParser(wholeNumber(1, 1000)))
    .addOption(new Option('--layers <n>', 'fewer layers than the model has').argParser(wholeNumber(1, 1000)))
    .addOption(new Option('--tokens <n>', 'tokens of a sequence').argParser(wholeNumber(2, 2048)))
    .addOption(new Option('--sequences <n>', 'sequences of a batch').argParser(wholeNumber(1, 1000)))
    .addOption(new Option('--weights <type>', "type of the model's matrices (default f16)").choices(weightTypes))
    .addOption(
      new Option(
        '--precision <type>',
        'in which type linear layers multiply; f16 needs matrix units (default f32)',
      ).choices(['f32', 'f16']),
    )
    .option('--checkpointing', 'compute layers again in the backward pass: less memory, more time')
    .option('--count', 'count what the step would record on an NVIDIA H100, and its memory; needs no GPU');
  host.handle<TrainingOptions>(command, runTrainingCommand);
}

function registerScoring(program: Command, host: Host): void {
  const command = host
    .add(program, 'scoring', 'Measure the scoring of many candidates', [
      'scoring',
      'scoring --model models/stories260K/hf --candidates 50 --json',
    ])
    .description(
      'Scores the candidates of one user twice, as whole prompts and behind the prefix that the prompts share, on text alone ' +
        'and with CF vectors fused in. Compares the scores.',
    )
    .option('--model <path>', 'model folder or GGUF file (default: random weights of a size that suits the adapter)')
    .addOption(new Option('--candidates <n>', 'number of candidates (default 200)').argParser(wholeNumber(1, 100_000)))
    .addOption(new Option('--history <n>', 'titles in the history (default 10)').argParser(wholeNumber(0, 1000)))
    .addOption(outOption())
    .addOption(repeatsOption('rounds', 3));
  host.handle<ScoringOptions>(command, runScoringCommand);
}

function registerLoading(program: Command, host: Host): void {
  const command = host
    .add(program, 'loading', 'Measure how fast models load and data sets open', [
      'loading models/stories260K/hf',
      'loading model.gguf --weights f32 --json',
      'loading --interactions 10000000',
    ])
    .description(
      'Loads models from their files to the device, in turns with a plain read of the same bytes into buffers. With ' +
        '--interactions, opens a prepared data set that it generates, in turns with a plain read of its files.',
    )
    .addArgument(new Argument('[models...]', 'model folders or GGUF files'))
    .addOption(
      new Option('--interactions <n>', 'also open a generated data set with this many interactions').argParser(
        wholeNumber(1, 1e8),
      ),
    )
    .addOption(
      new Option('--weights <type>', 'type of matrices on the device (default: stored)').choices([
        'stored',
        'f32',
        'f16',
        'int8',
        'int4',
      ]),
    )
    .addOption(outOption())
    .addOption(repeatsOption('rounds', 3));
  // Commander gives a variadic argument as one list.
  host.handle<LoadingOptions>(command, (context, options, args) => runLoadingCommand(context, options, args.flat()));
}

function registerHost(program: Command, host: Host): void {
  const command = host
    .add(program, 'host', 'Measure what the processor does for a dispatch', ['host', 'host --steps 200 --json'])
    .description(
      "Records steps of a LoRA training on Dawn's null backend, which checks every command and runs nothing, with prompts of " +
        'equal and of varying lengths. Shows dispatches, new bind groups, and microseconds of processor time for each dispatch: of ' +
        'the whole step, of recording its dispatches again, and of replaying a captured step. --adapter has no effect.',
    )
    .addOption(
      new Option('--steps <n>', 'timed steps of each kind; the median counts (default 50)').argParser(
        wholeNumber(1, 100_000),
      ),
    )
    .addOption(new Option('--warmup <n>', 'steps before these (default 40)').argParser(wholeNumber(0, 100_000)))
    .addOption(outOption());
  host.handle<HostOptions>(command, runHostCommand);
}

function registerProbe(program: Command, host: Host): void {
  const command = host
    .add(program, 'probe', 'Tell what an unknown card can do', [
      'probe --out probe.json',
      'probe --smoke --json',
      'probe --memory 16GiB',
    ])
    .description(
      'Shows features, limits and matrix units. Measures the maximum of the adapter, products and attention at the sizes of ' +
        'language models, with and without bounds checks, with the time of the first call, which compiles; then what ' +
        'submissions cost, and how much memory there is. Takes minutes on a GPU, far longer in software.',
    )
    .option('--smoke', 'small sizes, in seconds: whether everything runs')
    .option(
      '--memory <size>',
      'memory to ask for at most, e.g. 16GiB (default: until the card refuses; 256 MiB in software and with --smoke)',
    )
    .addOption(outOption());
  host.handle<ProbeOptions>(command, runProbeCommand);
}

function registerVerify(program: Command, host: Host): void {
  const command = host
    .add(program, 'verify', 'Check every kernel against float64', [
      'verify',
      'verify --filter matmul --json',
      'verify --out verify.json',
    ])
    .description(
      'Compares every kernel and variant, forward and backward, with float64 on ragged shapes, also under low limits and ' +
        'without immediates. The exit code is 1 when a kernel is wrong.',
    )
    .option('--filter <name>', 'only kernels whose name contains this')
    .addOption(outOption())
    .addOption(
      new Option(
        '--jobs <n>',
        'kernels to check at once (default: 1 on a software adapter, else one per core, at most 8)',
      ).argParser(wholeNumber(1, 64)),
    );
  host.handle<VerifyCommandOptions>(command, (context, options) => runVerifyCommand(context, options));
}

/** The program as data: run by `runProgram` of `@crossgate/terminal`. */
export const bench: ProgramDeclaration = {
  name: 'crossgate-bench',
  description: "Checks Crossgate's kernels, and measures them beside the maximum of the adapter.",
  version,
  seed: 'seed of the input data',
  examples: ['kernels', 'kernels --filter matmul --json', 'verify'],
  commands: [
    registerKernels,
    registerPeers,
    registerTraining,
    registerScoring,
    registerLoading,
    registerHost,
    registerProbe,
    registerVerify,
  ],
};

/**
 * Runs one command.
 * @param argv arguments without the program's name
 * @returns the exit code; everything the command says is on `io`
 */
export function main(argv: readonly string[], io: Io): Promise<number> {
  return runProgram(bench, argv, io);
}
