/** What a language model answered: Yes, No or neither, and the score that this is. */
import { logOdds } from '@crossgate/cf';
import { z } from 'zod';
import type { Scores } from '../predictions';

/** `null`: neither, such as a refusal. */
export type Verdict = 'yes' | 'no' | null;

/** Words that go on a sentence which begins with its answer: `No the user would not`. */
const GOES_ON: ReadonlySet<string> = new Set(
  'the this that they he she it i we you user because since as based given considering'.split(' '),
);

/**
 * Reads an answer. It counts where it begins with Yes or No, or where it says only one of the two and ends with it or
 * calls it the answer. `No idea`, `Yes or No`, and a sentence with a `no` in it are neither.
 */
export function parseVerdict(text: string): Verdict {
  // What a model thinks aloud is not its answer.
  const said = text.replace(/<think>[\s\S]*?(<\/think>|$)/gi, ' ').toLowerCase();
  const found = [...said.matchAll(/\p{L}+(?:['’]\p{L}+)*/gu)];
  const words = found.map(([word]) => word);
  const isVerdict = (word: string | undefined): word is 'yes' | 'no' => word === 'yes' || word === 'no';
  const both = words.includes('yes') && words.includes('no');
  const [first, second, third] = words;
  if (isVerdict(first)) {
    const other = first === 'yes' ? 'no' : 'yes';
    const end = found[0]!.index + first.length;
    const between = said.slice(end, found[1]?.index);
    const isPair = second === other && (third === undefined || between.includes('/'));
    if (isPair || ((second === 'or' || second === 'and') && third === other)) return null;
    if (second === undefined || between.trim() !== '' || between.includes('\n') || GOES_ON.has(second)) return first;
  }
  if (both) return null;
  const last = words.at(-1);
  if (isVerdict(last)) return last;
  const called = /\banswer\b(?:\s+(?:is|would be))?[^\p{L}]*\b(yes|no)\b(?![^\S\n]+\p{L})/u.exec(said);
  return (called?.[1] as Verdict | undefined) ?? null;
}

const alternative = z.looseObject({ token: z.string(), logprob: z.number() });
const position = alternative.extend({ top_logprobs: z.array(alternative).default([]) });
const tokens = z.looseObject({ content: z.array(position) });

/** Letters of a token, in lower case: ` Yes`, `yes` and `"YES` are one word. */
const wordOf = (token: string): string => token.toLowerCase().replaceAll(/[^\p{L}]/gu, '');

/**
 * log P(Yes) − log P(No) where the answer was said. Of a word that is not among the likeliest, the least of these is an
 * upper bound, and stands for it.
 * @param logprobs of a choice, as the endpoint gave them
 * @param text of the answer
 * @returns null where they are not given, or not at the place of the verdict
 */
export function logitOf(logprobs: unknown, text: string, verdict: Verdict): number | null {
  if (verdict === null) return null;
  const content = tokens.safeParse(logprobs).data?.content ?? [];
  const is = ({ token }: { token: string }) => wordOf(token) === verdict;
  const isAtStart = new RegExp(`^\\P{L}*${verdict}`, 'iu').test(text);
  const at = isAtStart ? content.find(is) : content.findLast(is);
  if (at === undefined || at.top_logprobs.length === 0) return null;
  const alternatives = at.top_logprobs.some(({ token }) => token === at.token)
    ? at.top_logprobs
    : [...at.top_logprobs, at];
  const least = Math.min(...alternatives.map(({ logprob }) => logprob));
  const logOf = (word: string) => {
    const said = alternatives.filter(({ token }) => wordOf(token) === word);
    return said.length === 0 ? least : Math.log(said.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0));
  };
  const [yes, no] = [logOf('yes'), logOf('no')];
  const logit = yes - no;
  // Endpoints write −9999 or −∞ for what cannot be.
  return Number.isNaN(logit) ? null : Math.min(MOST, Math.max(-MOST, logit));
}

/** The logit of a certain Yes: probabilities of baselines are cut off there too. */
const MOST = logOdds(1);

/** An answer as it is stored: one line of `answers.jsonl`. */
export const answerSchema = z.looseObject({
  key: z.string(),
  model: z.string(),
  verdict: z.enum(['yes', 'no']).nullable(),
  logit: z.number().nullable(),
  text: z.string(),
  cutOff: z.boolean(),
  tokens: z.looseObject({ input: z.number(), output: z.number() }).nullable(),
});
/**
 * An answer: `key` names model and prompt, `logit` is null without log probabilities, `text` is its beginning, `cutOff`
 * says that it was longer than `api.maxTokens`, `tokens` are as the endpoint counts them.
 */
export type Answer = z.output<typeof answerSchema>;

/** Scores of answers: by their log probabilities, else 1 for Yes, 0 for No, and .5 for neither. */
export function scoresOfAnswers(answers: readonly Pick<Answer, 'verdict' | 'logit'>[]): Scores {
  const logit = Float64Array.from(answers, ({ verdict, logit: given }) => {
    if (given !== null) return given;
    return verdict === null ? 0 : verdict === 'yes' ? MOST : -MOST;
  });
  const score = Float64Array.from(answers, ({ verdict, logit: given }) => {
    if (given !== null) return 1 / (1 + Math.exp(-given));
    return verdict === null ? 0.5 : verdict === 'yes' ? 1 : 0;
  });
  return { logit, score };
}

/** How many answers are of which kind. */
export interface AnswerCounts {
  readonly rows: number;
  readonly yes: number;
  readonly no: number;
  /** Neither Yes nor No. */
  readonly refused: number;
  /** Of these, answers that were longer than `api.maxTokens`. */
  readonly cutOff: number;
  /** Answers that came with log probabilities. */
  readonly withLogprobs: number;
}

/** Counts the answers of rows. */
export function countAnswers(answers: readonly Answer[]): AnswerCounts {
  const count = (is: (answer: Answer) => boolean) => answers.filter(is).length;
  return {
    rows: answers.length,
    yes: count(({ verdict }) => verdict === 'yes'),
    no: count(({ verdict }) => verdict === 'no'),
    refused: count(({ verdict }) => verdict === null),
    cutOff: count(({ verdict, cutOff }) => verdict === null && cutOff),
    withLogprobs: count(({ logit }) => logit !== null),
  };
}
