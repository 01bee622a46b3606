/** `answers.jsonl` of a run: every answer that was paid for, one line each, appended as it comes. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, type Log } from '@crossgate/core';
import { acquireLock, type Lock, withPath } from '@crossgate/files';
import { type Answer, answerSchema } from './api-llm-answers';
import type { ChatMessage } from './api-llm-prompts';

/** Name of the file in the run folder. */
export const ANSWERS_FILE = 'answers.jsonl';

/** Names a prompt to a model: SHA-256 of both. */
export function answerKey(model: string, messages: readonly ChatMessage[]): string {
  return createHash('sha256')
    .update(JSON.stringify([model, messages]))
    .digest('hex');
}

/**
 * Reads the answers of a run.
 * @returns answers by key, and how many bytes they take: less than the file where its last line is damaged
 * @throws InputError naming a line that is no answer and not the last one
 */
export function readAnswers(run: string): { answers: Map<string, Answer>; bytes: number; damaged: boolean } {
  const path = join(run, ANSWERS_FILE);
  const answers = new Map<string, Answer>();
  if (!existsSync(path)) return { answers, bytes: 0, damaged: false };
  const content = readFileSync(path);
  let start = 0;
  for (let line = 1; start < content.length; line++) {
    const newline = content.indexOf(0x0a, start);
    const answer = newline < 0 ? undefined : parseLine(content.toString('utf8', start, newline));
    if (answer === undefined) {
      // A process that was killed leaves at most one line that is not whole, and that is the last.
      const isLast = newline < 0 || newline === content.length - 1;
      if (isLast) return { answers, bytes: start, damaged: true };
      throw new InputError('is not an answer', {
        code: 'run.damaged',
        place: `${path}:${line}`,
        fix: 'delete the line; its prompt is asked again',
      });
    }
    answers.set(answer.key, answer);
    start = newline + 1;
  }
  return { answers, bytes: start, damaged: false };
}

function parseLine(text: string): Answer | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The answers of a run, open for more. Close it. */
export class AnswerCache {
  private file: number | undefined;

  private constructor(
    private readonly path: string,
    private readonly answers: Map<string, Answer>,
    private bytes: number,
    private readonly lock: Lock,
  ) {}

  /**
   * Opens the answers of a run folder and locks them. Nothing is written before the first answer.
   * @throws InputError as `readAnswers`, and where another process holds them
   */
  static async open(run: string, log: Log): Promise<AnswerCache> {
    const path = join(run, ANSWERS_FILE);
    const lock = await acquireLock(join(run, 'answers.lock'), 'list of answers');
    try {
      const { answers, bytes, damaged } = readAnswers(run);
      if (damaged) log.warn(`${path}: the last line is not whole and is dropped; its prompt is asked again`);
      return new AnswerCache(path, answers, bytes, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Answers that there are. */
  get size(): number {
    return this.answers.size;
  }

  /** The answer of this key, if it was given. */
  get(key: string): Answer | undefined {
    return this.answers.get(key);
  }

  /**
   * Stores an answer in one write, so that a killed process loses no line but the one it writes.
   * @throws what the file system throws, naming the file
   */
  add(answer: Answer): void {
    const line = Buffer.from(`${JSON.stringify(answer)}\n`);
    try {
      if (this.file === undefined) {
        this.file = openSync(this.path, existsSync(this.path) ? 'r+' : 'w');
        ftruncateSync(this.file, this.bytes);
      }
      // On a disk that fills up, a write may take only a part before the next one fails.
      for (let done = 0; done < line.length; ) {
        done += writeSync(this.file, line, done, line.length - done, this.bytes + done);
      }
    } catch (error) {
      throw withPath(error, this.path);
    }
    this.bytes += line.length;
    this.answers.set(answer.key, answer);
  }

  /** Closes the file and gives the lock back. */
  async close(): Promise<void> {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
    await this.lock.release();
  }
}
