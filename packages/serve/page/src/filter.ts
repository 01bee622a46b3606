/** A filter of the list by one value of an attribute, where the items have attributes of texts. */
import type { Attribute, Where } from './api';
import { element, part } from './dom';

const field = part<HTMLSelectElement>('filter');

/** Offers the values of the attributes; without any, there is no filter. */
export function offerFilter(attributes: readonly Attribute[]): void {
  const groups = attributes.flatMap(({ name, values = [] }) => {
    if (values.length === 0) return [];
    const options = values.map(({ value, items }) =>
      element('option', { value: JSON.stringify([name, value]) }, `${value} (${items})`),
    );
    return [element('optgroup', { label: name }, ...options)];
  });
  field.replaceChildren(element('option', { value: '' }, 'All items'), ...groups);
  part('filter-row').hidden = groups.length === 0;
}

/** The name and value that are chosen. */
function chosen(): readonly [name: string, value: string] | undefined {
  return field.value === '' ? undefined : (JSON.parse(field.value) as [string, string]);
}

/** What the attributes must be, for the server. */
export function whereChosen(): Where | undefined {
  const choice = chosen();
  return choice && { [choice[0]]: { any: [choice[1]] } };
}

/** What the list holds, in words. */
export function filterInWords(): string {
  const choice = chosen();
  return choice ? `Only items with ${choice[0]} ${choice[1]}.` : 'All items.';
}
