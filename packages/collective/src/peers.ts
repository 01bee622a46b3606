/** Whether the other ranks still live, as far as it can be seen from here. */
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Where a rank runs. */
export interface Peer {
  readonly rank: number;
  readonly host: string;
  /** The space that process numbers count in; differs between containers. */
  readonly space: string;
  readonly pid: number;
}

/** This process as a peer. */
export function thisPeer(rank: number): Peer {
  let space = '';
  try {
    space = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Systems without it have one space.
  }
  return { rank, host: hostname(), space, pid: process.pid };
}

/** The ranks that this process can watch, and whether these are all of the others. */
export class Peers {
  readonly #near: readonly Peer[];
  /** Whether some ranks run where this process cannot see them. */
  readonly someFar: boolean;

  readonly #own: Peer;

  constructor(own: Peer, all: readonly Peer[]) {
    this.#own = own;
    const others = all.filter(({ rank }) => rank !== own.rank);
    this.#near = others.filter(({ host, space }) => host === own.host && space === own.space);
    this.someFar = this.#near.length < others.length;
  }

  /** Whether no lower rank that this process can watch still lives: one of those that are left speaks for all. */
  get isFirst(): boolean {
    return this.#near.every(({ rank, pid }) => rank > this.#own.rank || !isAlive(pid));
  }

  /** The first watched rank whose process has ended; null while all live. */
  ended(): number | null {
    return this.#near.find(({ pid }) => !isAlive(pid))?.rank ?? null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user is alive too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
