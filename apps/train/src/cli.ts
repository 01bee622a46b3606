/** The program `crossgate`: its commands. */
import type { Collective } from '@crossgate/collective';
import { type Host, type Io, type ProgramDeclaration, runProgram } from '@crossgate/terminal';
import type { Command } from 'commander';
import { registerAdapter } from './commands/adapter';
import { registerApi } from './commands/api';
import { registerCompare } from './commands/compare';
import { registerConfig } from './commands/config';
import { registerData } from './commands/data';
import { registerDemo } from './commands/demo';
import { registerDoctor } from './commands/doctor';
import { registerEvaluate } from './commands/evaluate';
import { registerGenerate } from './commands/generate';
import { registerInit } from './commands/init';
import { registerLogits } from './commands/logits';
import { registerMerge } from './commands/merge';
import { registerMetrics } from './commands/metrics';
import { registerModel } from './commands/model';
import { registerPredict } from './commands/predict';
import { registerRecommend } from './commands/recommend';
import { registerReport } from './commands/report';
import { registerReproduce } from './commands/reproduce';
import { registerServe } from './commands/serve';
import { registerSetup } from './commands/setup';
import { registerSimilar } from './commands/similar';
import { registerSweep } from './commands/sweep';
import { registerTokenize } from './commands/tokenize';
import { registerTrain } from './commands/train';
import { registerVectors } from './commands/vectors';
import { registerWork } from './commands/work';
import { isRankOfJob, runAsRank } from './ranks';
import { version } from './version';

/** The program as data: built by `buildProgram`, run by `runProgram` of `@crossgate/terminal`. */
export const crossgate: ProgramDeclaration = {
  name: 'crossgate',
  description: 'Trains and runs recommenders that join collaborative filtering and language models, on WebGPU.',
  version,
  seed: 'seed of every random choice',
  examples: ['doctor', 'train configs/ml-1m/mean.yaml --set data.path=ml-1m', 'train --help'],
  commands: [
    registerDemo,
    registerDoctor,
    registerSetup,
    registerData,
    registerInit,
    registerTrain,
    registerSweep,
    registerEvaluate,
    registerPredict,
    registerRecommend,
    registerMerge,
    registerWork,
    registerServe,
    registerSimilar,
    registerVectors,
    registerCompare,
    registerReport,
    registerReproduce,
    registerMetrics,
    registerGenerate,
    registerLogits,
    registerTokenize,
    registerModel,
    registerAdapter,
    registerApi,
    registerConfig,
  ],
};

/** The program in a job of several ranks. */
function programOf(collective: Collective): ProgramDeclaration {
  const commands = crossgate.commands.map((register) =>
    register === registerTrain ? (program: Command, host: Host) => registerTrain(program, host, collective) : register,
  );
  return { ...crossgate, commands };
}

/**
 * Runs one command.
 * @param argv arguments without the program's name
 * @returns the exit code; everything the command says is on `io`
 */
export function main(argv: readonly string[], io: Io): Promise<number> {
  if (isRankOfJob(argv, io.env)) return runAsRank(programOf, argv, io);
  return runProgram(crossgate, argv, io);
}
