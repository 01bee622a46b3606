/** Which ratings before the scored periods a data set keeps: those of a publication, or all. */
import { InputError } from '@crossgate/core';
import type { Dataset } from './dataset';

/** The windows of a recipe that has one. */
export const windows = ['paper', 'all'] as const;
/** `paper`: train begins where that of the publication does. `all`: every row before valid is train. */
export type Window = (typeof windows)[number];

/** The window that is meant. @throws InputError naming `data.window` for a word that is none */
export function planWindow(given: Window | null | undefined): Window {
  const window = windows.find((word) => word === (given ?? 'paper'));
  if (window !== undefined) return window;
  throw new InputError(`must be ${windows.join(' or ')}, got ${JSON.stringify(given)}`, {
    code: 'data.option',
    place: 'data.window',
  });
}

/**
 * Whether models of a data set learn from ratings that its publication leaves out. What they reach is not to be
 * compared with what others reach on the window of the publication.
 */
export function hasWholePast({ recipe }: Pick<Dataset, 'recipe'>): boolean {
  return recipe.window === 'all';
}
