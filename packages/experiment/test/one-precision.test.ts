/** Ranks multiply in one type, also where the matrix units of one of them failed their test. */
import { alone } from '@crossgate/collective';
import { expect, it } from 'vitest';
import { inOnePrecision } from '../src/ranks/one-precision';

type Precision = 'f16' | 'f32';
const modelIn = (precision: Precision) => ({
  precision,
  with: ({ precision }: { precision?: Precision }) => precision,
});

it.each<[Precision, Precision[], Precision, string[]]>([
  ['f16', ['f16', 'f16', 'f16'], 'f16', []],
  ['f16', ['f16', 'f16', 'f32'], 'f32', ['rank 2 computes in f32 instead of f16, and so do all']],
  ['f32', ['f32', 'f32', 'f32'], 'f32', []],
])('asked for %s, of ranks in %j the first computes in %s', async (asked, all, expected, said) => {
  const warnings: string[] = [];
  const encoded = all.map((precision) => new TextEncoder().encode(JSON.stringify(precision)));
  const collective = { ...alone, size: all.length, allGather: async () => encoded };
  const model = modelIn(all[0]!) as never;
  const log = { warn: (message: unknown) => warnings.push(String(message)) };
  const made: unknown = await inOnePrecision(model, asked, { collective, log } as never);
  expect([made === model ? all[0] : made, warnings]).toEqual([expected, said]);
});
