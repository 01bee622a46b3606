/** What lists are chosen by: `--where` and `--repeats` of the commands that make them. */
import { type AttributeType, parseWhere, type Where } from '@crossgate/data';
import { type RepeatRule, repeatRules } from '@crossgate/eval';
import { Option } from 'commander';

/** Which items may be in a list. */
export interface ListChoice {
  readonly where?: readonly string[];
  readonly repeats?: RepeatRule;
}

/** `--where`: flags, and what it does. */
export const WHERE = [
  '--where <condition>',
  'only items with this attribute (repeatable): genres=Comedy, genres=Comedy,Drama (either), genres!=Horror, "price>=5"',
] as const;

/** What `--where` asks for, by the attributes of the run's items. @throws InputError as `parseWhere` */
export function whereOf(
  { where }: ListChoice,
  { attributes }: { readonly attributes: readonly AttributeType[] | null },
): Where | undefined {
  return where && parseWhere(where, attributes, '--where');
}

/** `--repeats`. @param when begins its description */
export const repeatsOption = (when = '') =>
  new Option(
    '--repeats <rule>',
    `${when}whether items that the person has events with may be in the list (default: exclude)`,
  ).choices(repeatRules);
