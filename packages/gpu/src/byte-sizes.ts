// Sizes of memory as people write them.
import { InputError } from './errors';

/** `1536` → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

const factors: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/**
 * `1.5 GiB` → 1610612736. Units KiB, MiB, GiB and TiB, also written K or KB; without one, bytes.
 *
 * @throws InputError for anything else, and for 0.
 */
export function parseBytes(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:bytes|b|([kmgt])(?:i?b)?)?\s*$/i.exec(text);
  const bytes = match ? Math.floor(Number(match[1]) * factors[(match[2] ?? '').toLowerCase()]!) : 0;
  if (bytes > 0) return bytes;
  throw new InputError(`"${text}" is no size of memory`, {
    code: 'memory.size',
    fix: 'write it as 6GiB, 512 MiB or 1000000',
  });
}
