/** The peers: which there are, how they are started, and starting them again after a crash. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type PeerCommand, PeerProblem, PeerProcess } from './process';
import type { PeerRequest, PreparedAnswer, TimedAnswer } from './protocol';

/** Who a peer is, or why it is not there. */
export type PeerStatus =
  | { readonly name: string; readonly version: string; readonly device: string }
  | { readonly name: string; readonly reason: string };

export interface PeerOptions {
  /** The adapter that it must run on; without one, any. */
  readonly adapter?: string;
  /** Whether it computes in halves too. */
  readonly halves?: boolean;
  /** Whether it runs on WebGPU, as ours: what `ratio` is about. */
  readonly webgpu?: boolean;
  /** Seconds for an answer. */
  readonly seconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A peer, through the processes that it takes. */
export class Peer {
  #process: PeerProcess | undefined;
  #status: PeerStatus;
  #ops: readonly string[] = [];

  constructor(
    readonly command: PeerCommand,
    readonly options: PeerOptions = {},
  ) {
    this.#status = { name: command.name, reason: 'was not asked' };
  }

  get name(): string {
    return this.command.name;
  }

  get status(): PeerStatus {
    return this.#status;
  }

  get present(): boolean {
    return 'version' in this.#status;
  }

  does(op: string): boolean {
    return this.#ops.includes(op);
  }

  /** Starts it, in place of the process that it had. @throws InterruptedError */
  async open(): Promise<PeerStatus> {
    const { name } = this;
    const { adapter, seconds, signal } = this.options;
    this.close();
    const started = await PeerProcess.start(this.command, {
      ...(seconds !== undefined && { seconds }),
      ...(signal && { signal }),
    });
    if ('absent' in started) {
      this.#status = { name, reason: started.absent };
      return this.#status;
    }
    const { peer, hello } = started;
    if (adapter !== undefined && hello.device !== adapter) {
      peer.kill();
      this.#status = { name, reason: `runs on ${hello.device}, ours on ${adapter}` };
      return this.#status;
    }
    this.#process = peer;
    this.#ops = hello.ops;
    this.#status = { name, version: hello.version, device: hello.device };
    return this.#status;
  }

  /** Prepares a case; after a crash, in a new process. @throws PeerProblem, InterruptedError */
  async prepare(request: Omit<Extract<PeerRequest, { do: 'prepare' }>, 'do'>): Promise<PreparedAnswer> {
    if (!this.#process?.alive) {
      const { status } = this;
      await this.open();
      const again = this.#status;
      // Who it was stays in the report.
      this.#status = status;
      if ('reason' in again) throw new PeerProblem(`did not start again: ${again.reason}`);
    }
    return this.#process!.prepare(request);
  }

  /** Times `calls` calls. @throws as {@link prepare} */
  async time(way: string, calls: number): Promise<TimedAnswer> {
    if (!this.#process) throw new PeerProblem('has not started');
    return this.#process.time(way, calls);
  }

  /** Frees what is prepared. A peer that fails here has done its work. */
  async drop(): Promise<void> {
    if (!this.#process?.alive) return;
    await this.#process.drop().catch((error: unknown) => {
      if (!(error instanceof PeerProblem)) throw error;
      this.#process!.kill();
    });
  }

  close(): void {
    this.#process?.kill();
    this.#process = undefined;
  }
}

/** A file that comes with the program: beside it, or in the package. */
function shipped(names: readonly string[]): string {
  const paths = names.map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${paths.join(', ')}: not there; build with npm run build`);
  return found;
}

/** Beside this program, or, while it runs from its sources, in the build. */
const worker = () => shipped(['./peer-worker.js', '../../dist/peer-worker.js']);

/** PyTorch, or what PEFT makes of it, where python3 has them. */
export function pythonPeer(name: 'pytorch' | 'peft', signal?: AbortSignal): Peer {
  // What it imports lies beside it.
  const script = shipped(['./pytorch.py', '../src/peers/pytorch.py']);
  // Nothing is written beside the script: the bundle may be read-only.
  const env = { PYTHONDONTWRITEBYTECODE: '1' };
  return new Peer({ name, file: 'python3', args: [script, name], env }, { halves: true, signal });
}

/** A WebGPU library of a folder on an adapter. */
export function webGpuPeer(name: 'tfjs' | 'jax-js', folder: string, adapter: string, signal?: AbortSignal): Peer {
  const args = [worker(), name, folder, adapter];
  return new Peer({ name, file: process.execPath, args }, { adapter, webgpu: true, signal });
}

/** The float64 references, which say whether ours is right. */
export function referencePeer(signal?: AbortSignal): Peer {
  return new Peer({ name: 'float64', file: process.execPath, args: [worker(), 'float64'] }, { signal });
}
