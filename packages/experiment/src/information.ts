/** The information class of a run: what its method sees, and whether its data holds more than the publication's. */
import type { InformationClass } from '@crossgate/cf';
import { type Dataset, hasWholePast } from '@crossgate/data';

/** A class, with a plus where train holds every rating before valid (`data.window: all`). */
export type SeenInformation = InformationClass | `${InformationClass}+`;

/**
 * The class of a method on a data set. The data decides on the plus and not the config: a prepared folder was made with a
 * window of its own.
 */
export function informationOn(dataset: Pick<Dataset, 'recipe'>, information: InformationClass): SeenInformation {
  return hasWholePast(dataset) ? `${information}+` : information;
}

/** Whether a class has the plus. */
export const hasPlus = (information: string | null): boolean => information?.endsWith('+') ?? false;

/** What the plus says, for the foot of a table that shows one. */
export const plusNote =
  'A plus (T+, H+, P+): trained on every rating before valid, also those that the paper leaves out (data.window: all). ' +
  'That is a class of its own: do not compare it with T, H and P, nor with published numbers.';
