/** Kinds of values that several rooms of a config hold. */
import { z } from 'zod';

/** A whole number from 1 to `most`: far above any use, far below what stops the machine. */
export const count = (most: number) => z.int().positive().max(most);
/** The most rows, steps or epochs of anything. */
export const LONGEST = 1e9;
/** A list of words without repetition. */
export const distinct = <T extends string>(values: readonly T[]) =>
  z
    .array(z.enum(values))
    .min(1)
    .superRefine((list, context) => {
      const twice = list.find((word, index) => list.indexOf(word) !== index);
      if (twice !== undefined) context.addIssue({ code: 'custom', message: `names ${twice} twice` });
    });
/** Decay of two moments. */
export const betas = z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]);
/** A number from 0. */
export const nonNegative = z.number().nonnegative();
/** A key that is null unless it is given. */
export const optional = <T extends z.ZodType>(type: T) => type.nullable().default(null);
/** A text that is not empty. */
export const word = z.string().min(1);
