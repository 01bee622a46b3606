/** A peer in a process of its own: a crash, a hang or a lost device stays with the peer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { InterruptedError } from '@crossgate/core';
import type { PeerHello, PeerRequest, PreparedAnswer, ProblemAnswer, TimedAnswer } from './protocol';

/** How a peer is started. */
export interface PeerCommand {
  /** As in results: tfjs, jax-js, pytorch, peft. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Why a peer gave no answer: a reason for its row, not the end of the command. */
export class PeerProblem extends Error {
  override name = 'PeerProblem';
}

type Hello = Exclude<PeerHello, { absent: string }>;

/** Seconds that a peer has for an answer. Software compiles the first kernels of a case for long. */
export const answerSeconds = 180;

export class PeerProcess {
  readonly #child: ChildProcess;
  /** Who waits for the next answer. */
  #waiting: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  #ended: Error | undefined;
  #lastWords = '';
  #stop = () => this.kill();

  private constructor(
    readonly command: PeerCommand,
    readonly seconds: number,
    readonly signal: AbortSignal | undefined,
  ) {
    const { file, args, env } = command;
    this.#child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    signal?.addEventListener('abort', this.#stop);
    // Peers keep what a library prints off standard output; what its driver prints there is no object.
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      this.#waiting?.resolve(line);
      this.#waiting = undefined;
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-4000);
    });
    // A write to a process that has ended is told by its end.
    this.#child.stdin!.on('error', () => {});
    this.#child.on('error', (error) => this.#end(new PeerProblem(`does not start: ${error.message}`)));
    this.#child.on('close', (code, by) => {
      const how = by === null ? `exit code ${code}` : `signal ${by}`;
      const words = this.#lastWords.trim().split('\n').at(-1) ?? '';
      this.#end(new PeerProblem(`ended with ${how}${words === '' ? '' : `: ${words}`}`));
    });
  }

  /**
   * Starts a peer.
   * @returns the process and who it is; or why there is none
   */
  static async start(
    command: PeerCommand,
    { seconds = answerSeconds, signal }: { readonly seconds?: number; readonly signal?: AbortSignal } = {},
  ): Promise<{ readonly peer: PeerProcess; readonly hello: Hello } | { readonly absent: string }> {
    const peer = new PeerProcess(command, seconds, signal);
    try {
      const hello = await peer.#next<PeerHello>();
      if (!('absent' in hello)) return { peer, hello };
      peer.kill();
      return hello;
    } catch (error) {
      peer.kill();
      if (error instanceof PeerProblem) return { absent: error.message };
      throw error;
    }
  }

  /** Whether it can still be asked. */
  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** @throws PeerProblem with the peer's own words, or when it ends or does not answer in time; InterruptedError */
  prepare(request: Omit<Extract<PeerRequest, { do: 'prepare' }>, 'do'>): Promise<PreparedAnswer> {
    return this.#ask({ do: 'prepare', ...request });
  }

  /** Times `calls` calls. @throws as {@link prepare} */
  time(way: string, calls: number): Promise<TimedAnswer> {
    return this.#ask({ do: 'time', way, calls });
  }

  /** Frees what is prepared. @throws as {@link prepare} */
  async drop(): Promise<void> {
    await this.#ask({ do: 'drop' });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
    this.#end(this.signal?.aborted ? new InterruptedError() : new PeerProblem('was stopped'));
  }

  async #ask<Answer extends object>(request: PeerRequest): Promise<Answer> {
    if (this.#ended) throw this.#ended;
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#next<Answer | ProblemAnswer>();
    if ('problem' in answer) throw new PeerProblem(answer.problem);
    return answer;
  }

  async #next<Answer>(): Promise<Answer> {
    if (this.signal?.aborted) throw new InterruptedError();
    if (this.#ended) throw this.#ended;
    const timer = setTimeout(() => {
      this.#end(new PeerProblem(`gave no answer within ${this.seconds} s`));
      this.kill();
    }, 1000 * this.seconds);
    try {
      return JSON.parse(
        await new Promise<string>((resolve, reject) => {
          this.#waiting = { resolve, reject };
        }),
      ) as Answer;
    } catch (error) {
      throw error instanceof SyntaxError ? new PeerProblem(`answered no JSON: ${error.message}`) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  #end(error: Error): void {
    this.signal?.removeEventListener('abort', this.#stop);
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
    this.#waiting = undefined;
  }
}
