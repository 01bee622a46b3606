/** What apps/web takes for its own page: elements, fields with suggestions, bars of scores, and numbers as text. */
export { type ComboboxOptions, combobox, type Suggestion } from './combobox';
export { element, icon, part, titleText } from './dom';
export { change, count, counted, duration, score, sentence } from './format';
export { barElement, reasonsElement } from './list-view';
