/** What is declared of the models: the same models as are defined, and defaults that their own options accept. */
import { describe, expect, it } from 'vitest';
import { type CfDeclaration, type CfOption, cfDefinitions } from '../src';
import { baselines, cfDeclarations } from '../src/registry';

function accepts(option: CfOption): boolean {
  if (option.type === 'switch') return true;
  if (option.type === 'choice') return option.values.includes(option.default);
  const { min = -Infinity, above = -Infinity, max = Infinity, below = Infinity, default: value } = option;
  const isInRange = value >= min && value > above && value <= max && value < below;
  return isInRange && (option.type === 'number' || Number.isInteger(value));
}

describe('declarations', () => {
  it('are those of the definitions, in their order', () => {
    const named = ({ name, options, drawn }: CfDeclaration) => ({ name, options, drawn });
    expect(cfDefinitions.map(named)).toEqual(cfDeclarations.map(named));
  });

  it.each(cfDeclarations.map((declaration) => [declaration.name, declaration] as const))('%s', (_, { options }) => {
    for (const [key, option] of Object.entries<CfOption>(options)) {
      expect(accepts(option), key).toBe(true);
      expect(option.meaning, key).toMatch(/^\S.*[^.]$/);
    }
  });

  it('name every method once', () => {
    const names = [...baselines, ...cfDeclarations].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
