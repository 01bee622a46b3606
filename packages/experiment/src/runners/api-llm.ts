/**
 * A language model behind an OpenAI-compatible endpoint, closed or not: it is asked in words, and tuned there if
 * wanted.
 */
import { InputError, throwIfInterrupted } from '@crossgate/core';
import type { ExperimentConfig, SplitName } from '../config/schema';
import type { Scores } from '../predictions';
import type { RunFolder } from '../runs/run-folder';
import { runOnDisk } from '../runs/run-on-disk';
import { type Answer, type AnswerCounts, countAnswers, scoresOfAnswers } from './api-llm-answers';
import { askAll } from './api-llm-ask';
import { AnswerCache, answerKey, readAnswers } from './api-llm-cache';
import { ApiClient } from './api-llm-client';
import { costOf, describeEstimate, type Estimate, estimateCalls } from './api-llm-estimate';
import { readJob, tuneModel } from './api-llm-fine-tune';
import { type ChatMessage, estimateTokens, type MakeMessages, makeMessages, trainingLine } from './api-llm-prompts';
import { checkNeighbors, namesNeighbors, recommend, scoredPrompts, trainingPrompts } from './api-llm-rows';
import { loadCf } from './cf-model';
import { prepareCf } from './cf-phase';
import type { Outcome, Runner, RunnerContext } from './runner';
import { bestOf, historyOfPair, itemsInQuestion, type Pairs, pairsOf, type Scorer } from './scorer';

/** The lines that the model was tuned on, in the run folder. */
const TRAINING_FILE = 'fine-tune.jsonl';
/** What messages call the answers of a run. */
const KEPT = 'the answers that it has';

/** The runner of `api-llm`. */
export const apiLlmRunner: Runner = {
  name: 'api-llm',
  information: () => 'H',
  trained: false,
  async open(context, run) {
    const { config, session } = context;
    const client = openClient(context);
    const make = makeMessages(config, context.dataset);
    const adapter = await checkNeighbors(context);
    const consent = new Consent(context);
    await consent.ask(await estimateRun(context, run, make));
    return {
      adapter,
      provenance: { model: { name: config.api.model }, endpoint: config.api.baseUrl },
      train: (folder) => train(context, folder, client, consent),
      // Requests end with the training; the rest is the session's.
      close: async () => session.log.debug(`${client.retries} requests were sent again`),
    };
  },
  async openScorer(context, run) {
    const client = openClient(context);
    const model = await modelOfRun(context.config, run);
    const neighbors = namesNeighbors(context.config)
      ? (
          await recommend(context, () =>
            context.session.device().then((device) => loadCf(context, device, runOnDisk(run))),
          )
        ).lists
      : undefined;
    return openScorer(context, run, model, client, makeMessages(context.config, context.dataset, neighbors));
  },
};

/** @throws InputError without the name of a model, or without its key */
function openClient({ config: { api }, session }: RunnerContext): ApiClient {
  if (api.model === null) {
    throw new InputError('api-llm needs the name of a model', {
      code: 'api.unset',
      place: 'api.model',
      fix: 'add it, or --set api.model=NAME',
    });
  }
  return new ApiClient({ api, env: session.env, log: session.log, signal: session.signal });
}

/** Asks once whether calls may be made. */
class Consent {
  private given = false;

  constructor(private readonly context: RunnerContext) {}

  /** @throws what the session's `confirm` throws */
  async ask(estimate: Estimate): Promise<void> {
    if (this.given || (estimate.calls === 0 && estimate.trainedTokens === 0)) return;
    await this.context.session.confirm(describeEstimate(estimate, this.context.config.api));
    this.given = true;
  }
}

/** Tokens of all passes over training lines, about. */
function trainedTokens(context: RunnerContext, make: MakeMessages): number {
  const sum = trainingPrompts(context, make).reduce((total, { messages }) => total + estimateTokens(messages) + 7, 0);
  return sum * context.config.training.stage1.epochs;
}

/**
 * What is still to be asked and trained in a run. While it is not known what CF recommends, answers are counted, not
 * looked up.
 * @param run absolute path of its folder, which need not be there
 */
async function estimateRun(context: RunnerContext, run: string, make: MakeMessages, exact = false): Promise<Estimate> {
  const { api, evaluation } = context.config;
  const job = api.fineTune ? await readJob(run) : undefined;
  const model = api.fineTune ? (job?.model ?? null) : api.model;
  const { answers } = readAnswers(run);
  const waiting = new Map<string, readonly ChatMessage[]>();
  for (const split of evaluation.splits) {
    for (const { messages } of scoredPrompts(context, split, make)) {
      waiting.set(answerKey(model ?? '', messages), messages);
    }
  }
  const standIns = !exact && namesNeighbors(context.config);
  const known = model === null ? 0 : [...answers.values()].filter((answer) => answer.model === model).length;
  const left = standIns
    ? [...waiting.values()].slice(known)
    : [...waiting].filter(([key]) => !answers.has(key)).map(([, messages]) => messages);
  const training = api.fineTune && job?.job == null ? trainedTokens(context, make) : 0;
  return { ...estimateCalls(left, api), trainedTokens: training };
}

async function train(context: RunnerContext, run: RunFolder, client: ApiClient, consent: Consent): Promise<Outcome> {
  const { config, session, dataset } = context;
  const { api, evaluation } = config;
  const cf = namesNeighbors(config)
    ? await recommend(context, async () => prepareCf(context, run, await session.device()))
    : undefined;
  throwIfInterrupted(session.signal);
  const make = makeMessages(config, dataset, cf?.lists);
  const cache = await AnswerCache.open(run.path, session.log);
  try {
    if (cache.size > 0) run.keep(KEPT);
    await consent.ask(await estimateRun(context, run.path, make, true));
    const model = api.fineTune ? await tune(context, run, client, make) : api.model!;
    const scores: Partial<Record<SplitName, Scores>> = {};
    const counts: Partial<Record<SplitName, AnswerCounts>> = {};
    const used = new Map<string, Answer>();
    for (const split of evaluation.splits) {
      const answers = await askAll(
        scoredPrompts(context, split, make).map(({ messages }) => messages),
        `asking about ${split}`,
        {
          ...{ api, model, client, cache, session },
          onStored: () => run.keep(KEPT),
        },
      );
      for (const answer of answers) used.set(answer.key, answer);
      scores[split] = scoresOfAnswers(answers);
      counts[split] = countAnswers(answers);
      warnOfRefusals(context, split, answers);
    }
    const sum = (kind: keyof AnswerCounts) => Object.values(counts).reduce((total, count) => total + count[kind], 0);
    const tokens = tokensOf([...used.values()]);
    const trained = api.fineTune ? trainedTokens(context, make) : 0;
    return {
      scores,
      details: {
        ...{ model, calls: used.size, refused: sum('refused'), answers: counts, tokens },
        cost: tokens.uncounted > 0 ? null : costOf({ ...tokens, training: trained }, api.pricePerMillion),
        ...(api.fineTune && { fineTune: { ...(await readJob(run.path)), trainedTokens: trained } }),
        ...(cf && { cf: cf.details }),
      },
    };
  } finally {
    await cache.close();
  }
}

/** Tunes the model on the train rows, or goes on with a job that was started. @returns the name of the tuned model */
async function tune(context: RunnerContext, run: RunFolder, client: ApiClient, make: MakeMessages): Promise<string> {
  const { config, session } = context;
  const { log, signal } = session;
  const lines = trainingPrompts(context, make).map(({ messages, label }) => trainingLine(messages, label));
  if (lines.length === 0) {
    throw new InputError('there are no train rows to tune on', {
      code: 'config.value',
      place: 'api.fineTune',
      fix: 'leave it out, or change data.split',
    });
  }
  await run.write(TRAINING_FILE, lines.join(''));
  const { epochs } = config.training.stage1;
  const { model, pollEvery } = config.api;
  return tuneModel(lines.join(''), {
    ...{ client, run, model: model!, epochs, seed: config.seed, pollEvery, log, signal },
  });
}

/** Tokens as the endpoint counted them; `uncounted`: answers for which it did not. */
function tokensOf(answers: readonly Answer[]) {
  const tokens = { input: 0, output: 0, uncounted: 0 };
  for (const { tokens: counted } of answers) {
    tokens.input += counted?.input ?? 0;
    tokens.output += counted?.output ?? 0;
    if (counted === null) tokens.uncounted++;
  }
  return tokens;
}

function warnOfRefusals({ session: { log } }: RunnerContext, what: string, answers: readonly Answer[]): void {
  const refused = answers.filter(({ verdict }) => verdict === null);
  const [first] = refused;
  if (first === undefined) return;
  const cutOff = refused.filter((answer) => answer.cutOff).length;
  const why = cutOff > 0 ? `; ${cutOff} were cut off by api.maxTokens` : '';
  const example = JSON.stringify(first.text.slice(0, 80));
  log.warn(
    `${what}: ${refused.length} of ${answers.length} answers are neither Yes nor No and count as .5 (${example})${why}`,
  );
}

/** The model that a finished run asked. @throws InputError for a run that lacks its job */
async function modelOfRun({ api }: ExperimentConfig, run: string): Promise<string> {
  if (!api.fineTune) return api.model!;
  const job = await readJob(run);
  if (job?.model) return job.model;
  throw new InputError('the run does not say which model was tuned', { code: 'run.damaged', place: run });
}

async function openScorer(
  context: RunnerContext,
  run: string,
  model: string,
  client: ApiClient,
  make: MakeMessages,
): Promise<Scorer> {
  const { config, dataset, session } = context;
  const { api } = config;
  const cache = await AnswerCache.open(run, session.log);
  const consent = new Consent(context);
  async function scorePairs(pairs: Pairs, onProgress?: (done: number, total: number) => void): Promise<Scores> {
    const prompts = Array.from(pairs.user, (user, index) =>
      make({ user, item: pairs.item[index]!, history: historyOfPair(dataset, pairs, index) }),
    );
    const left = new Map(prompts.map((messages) => [answerKey(model, messages), messages]));
    for (const key of left.keys()) if (cache.get(key) !== undefined) left.delete(key);
    await consent.ask(estimateCalls(left.values(), api));
    const answers = await askAll(prompts, 'asking', {
      ...{ api, model, client, cache, session, ...(onProgress && { onProgress }) },
    });
    warnOfRefusals(context, 'pairs', answers);
    return scoresOfAnswers(answers);
  }
  return {
    scorePairs: (pairs) => scorePairs(pairs),
    async best(user, options) {
      const items = itemsInQuestion(dataset, user, options);
      return bestOf(items, await scorePairs(pairsOf(user, items), options.onProgress), options.count);
    },
    close: () => cache.close(),
  };
}
