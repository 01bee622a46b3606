/** How large a GPU is: WebGPU tells its name only. */
import type { Capabilities } from '@crossgate/gpu';

/** Of a GPU that is not in the table. */
const unknownGpu = 128;

/**
 * Multiprocessors by name, as their makers publish them: streaming multiprocessors, compute units or GPU cores. They
 * steer plans alone: a number that is off costs some speed. The first match counts, so a longer name stands before what
 * it begins with.
 */
const byName: readonly (readonly [pattern: RegExp, multiprocessors: number])[] = [
  [/\bh100 pcie\b/, 114],
  [/\b(h100|h200|gh200|h800|hopper)\b/, 132],
  [/\b(b200|gb200)\b/, 148],
  [/\ba100\b/, 108],
  [/\ba10g?\b/, 72],
  [/\b(l40s?|rtx 6000 ada)\b/, 142],
  [/\bl4\b/, 58],
  [/\b(v100|titan v)\b/, 80],
  [/\bt4\b/, 40],
  [/\brtx 5090\b/, 170],
  [/\brtx 5080\b/, 84],
  [/\brtx 4090\b/, 128],
  [/\brtx 4080\b/, 76],
  [/\brtx 4070\b/, 46],
  [/\brtx 4060\b/, 24],
  [/\brtx 3090\b/, 82],
  [/\brtx 3080\b/, 68],
  [/\brtx 3070\b/, 46],
  [/\brtx 3060\b/, 28],
  [/\bmi300x\b/, 304],
  [/\bmi2[15]0x?\b/, 104],
  [/\brx 7900 xtx\b/, 96],
  [/\bapple m\d ultra\b/, 64],
  [/\bapple m\d max\b/, 32],
  [/\bapple m\d pro\b/, 16],
  [/\bapple m\d\b/, 8],
];

/**
 * Multiprocessors of a GPU, an estimate for plans: of some families the smallest or usual model's, 128 where the name
 * is not known. Marks between the words of a name do not matter. Pure.
 */
export function multiprocessors({ name, architecture }: Pick<Capabilities, 'name' | 'architecture'>): number {
  const words = `${name} ${architecture}`.toLowerCase().replace(/[^a-z0-9]+/g, ' ');
  return byName.find(([pattern]) => pattern.test(words))?.[1] ?? unknownGpu;
}
