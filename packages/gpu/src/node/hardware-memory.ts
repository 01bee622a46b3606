/** The free memory of a hardware adapter, which WebGPU does not tell: asked of the vendor's tools. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterSummary } from './choose-adapter';

/** What tells how much memory is free. Replaced in tests. */
export interface MemorySources {
  /** What a program prints; null where it is not there, fails, or takes longer than 5 seconds. */
  run(program: string, args: readonly string[]): Promise<string | null>;
  /** Names in a folder; none where it is not there. */
  list(folder: string): Promise<string[]>;
  /** A file's text; null where it is not there. */
  read(file: string): Promise<string | null>;
}

const machine: MemorySources = {
  run: (program, args) =>
    new Promise((resolve) => {
      execFile(program, [...args], { timeout: 5000, windowsHide: true }, (error, stdout) =>
        resolve(error ? null : stdout),
      );
    }),
  list: (folder) => readdir(folder).catch(() => []),
  read: (file) => readFile(file, 'utf8').catch(() => null),
};

/** Words of a name, joined as Dawn joins them. A second adapter of a name ends in `#2`. */
const dashed = (name: string) =>
  name
    .replace(/#\d+$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/** A card and its free bytes. */
interface Card {
  readonly name: string;
  readonly free: number;
}

/** A driver keeps a little for itself, and what is allocated is rounded up. */
const share = 0.95;

/** Cards with less memory of their own, in bytes, are parts of a processor and use the machine's. */
const leastOfCard = 2 ** 30;

/**
 * Bytes that buffers may take on a hardware adapter: 95 % of what is free now, by `nvidia-smi` for NVIDIA's, and for AMD's
 * by what the Linux driver shows under /sys/class/drm. Of several cards that may be meant, the least.
 *
 * @param adapter name and vendor as `listAdapters` gives them.
 * @returns null where nothing tells: other vendors and systems, integrated GPUs, tools that are not installed
 */
export async function freeDeviceMemory(
  adapter: Pick<AdapterSummary, 'name' | 'vendor'>,
  sources: MemorySources = machine,
): Promise<number | null> {
  const vendor = adapter.vendor.toLowerCase();
  const cards = vendor.includes('nvidia')
    ? await nvidiaCards(sources)
    : vendor.includes('amd')
      ? await amdCards(sources)
      : [];
  const named = cards.filter(({ name }) => dashed(name) === dashed(adapter.name));
  const meant = named.length > 0 ? named : cards;
  return meant.length === 0 ? null : Math.floor(share * Math.min(...meant.map(({ free }) => free)));
}

/** Lines such as `NVIDIA H200, 143156`, in MiB. Cards that share the machine's memory say `[N/A]`. */
async function nvidiaCards({ run }: MemorySources): Promise<Card[]> {
  const text = await run('nvidia-smi', ['--query-gpu=name,memory.free', '--format=csv,noheader,nounits']);
  const lines = (text ?? '').split('\n').map((line) => /^(.*), *(\d+)\s*$/.exec(line));
  return lines.flatMap((found) => (found ? [{ name: found[1]!, free: Number(found[2]) * 2 ** 20 }] : []));
}

/** The driver shows no names. */
async function amdCards({ list, read }: MemorySources): Promise<Card[]> {
  const root = '/sys/class/drm';
  const cards: Card[] = [];
  for (const card of (await list(root)).filter((name) => /^card\d+$/.test(name))) {
    const [vendor, total, used] = await Promise.all(
      ['vendor', 'mem_info_vram_total', 'mem_info_vram_used'].map((name) => read(join(root, card, 'device', name))),
    );
    if (vendor?.trim() !== '0x1002' || total == null || used == null) continue;
    if (Number(total) >= leastOfCard) cards.push({ name: '', free: Number(total) - Number(used) });
  }
  return cards;
}
