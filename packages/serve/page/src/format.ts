/** Numbers as people read them. */

const counts = new Intl.NumberFormat('en-US');

/** A whole number with thousands separated: 3,255. */
export function count(value: number): string {
  return counts.format(value);
}

/** A number with its noun: `1 item`, `3 items`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** A score: three decimals, or a whole number of users. */
export function score(value: number, isCount: boolean): string {
  return isCount ? count(value) : value.toFixed(3);
}

/** A change of a score, with its sign: +0.124, −0.031. */
export function change(value: number): string {
  const text = Math.abs(value).toFixed(3);
  return `${Number(text) === 0 ? '±' : value < 0 ? '−' : '+'}${text}`;
}

/** A message as a sentence: `the GPU was lost` becomes `The GPU was lost.` */
export function sentence(text: string): string {
  const end = /[.!?…]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}

/** Milliseconds: 34 ms, 2.1 s. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
