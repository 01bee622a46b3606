/** A text field with suggestions from the server, after the ARIA pattern "editable combobox with list autocomplete". */
import { element } from './dom';
import { Latest } from './latest';

/** One suggestion. */
export interface Suggestion {
  readonly value: string;
  /** Shown as text. */
  readonly label: string;
  /** Shown beside it, smaller. */
  readonly detail?: string;
}

/** What a field is told. */
export interface ComboboxOptions {
  readonly input: HTMLInputElement;
  /** An empty list after the field. */
  readonly list: HTMLElement;
  /** Name of the list. */
  readonly name: string;
  /** Suggestions for what was typed; also called for an empty field. */
  search(query: string, signal: AbortSignal): Promise<readonly Suggestion[]>;
  /** A suggestion was picked. */
  pick(suggestion: Suggestion): void;
  /** Enter without a suggestion picked; `text` is not empty. Default: picks the first suggestion for it. */
  enter?(text: string): void;
  /** The server would not answer. */
  fail(error: unknown): void;
}

/** Milliseconds without a key before the server is asked. */
const patience = 120;

/** Brings a field to life. */
export function combobox(options: ComboboxOptions): void {
  const { input, list, name } = options;
  let suggestions: readonly Suggestion[] = [];
  let active = -1;
  /** Whether the suggestions are those for what the field says now. */
  let fresh = false;
  /** Enter was pressed before they were: the first is picked when they come. */
  let entered = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const request = new Latest();

  for (const [key, value] of Object.entries({
    role: 'combobox',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    'aria-autocomplete': 'list',
    'aria-expanded': 'false',
    'aria-controls': list.id,
  })) {
    input.setAttribute(key, value);
  }
  list.setAttribute('role', 'listbox');
  list.setAttribute('aria-label', name);
  list.hidden = true;

  function close() {
    clearTimeout(timer);
    request.cancel();
    fresh = entered = false;
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    mark(-1);
  }

  function mark(index: number) {
    list.children[active]?.setAttribute('aria-selected', 'false');
    active = index;
    const option = list.children[active];
    option?.setAttribute('aria-selected', 'true');
    option?.scrollIntoView({ block: 'nearest' });
    if (option) input.setAttribute('aria-activedescendant', option.id);
    else input.removeAttribute('aria-activedescendant');
  }

  function pick(suggestion: Suggestion) {
    close();
    options.pick(suggestion);
  }

  function show(found: readonly Suggestion[]) {
    suggestions = found;
    fresh = true;
    if (entered && found[0]) return pick(found[0]);
    entered = false;
    active = -1;
    input.removeAttribute('aria-activedescendant');
    list.replaceChildren(
      ...found.map((suggestion, i) =>
        element(
          'li',
          {
            id: `${list.id}-${i}`,
            role: 'option',
            'aria-selected': 'false',
            // The field keeps the focus.
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => pick(suggestion),
          },
          element('span', { dir: 'auto' }, suggestion.label),
          suggestion.detail ? element('span', { class: 'soft' }, suggestion.detail) : null,
        ),
      ),
    );
    if (found.length === 0) {
      list.append(
        element(
          'li',
          { role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false', class: 'soft' },
          'Nothing found',
        ),
      );
    }
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
  }

  function ask(delay: number) {
    clearTimeout(timer);
    const signal = request.next();
    fresh = entered = false;
    timer = setTimeout(async () => {
      try {
        const found = await options.search(input.value.trim(), signal);
        if (!signal.aborted) show(found);
      } catch (error) {
        if (signal.aborted) return;
        close();
        options.fail(error);
      }
    }, delay);
  }

  input.addEventListener('input', () => ask(patience));
  input.addEventListener('click', () => {
    if (list.hidden) ask(0);
  });
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      if (list.hidden) ask(0);
      else if (suggestions.length > 0) {
        // Above the first and below the last lies the field itself.
        const places = suggestions.length + 1;
        mark(((active + 1 + step + places) % places) - 1);
      }
    } else if (event.key === 'Escape' && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const text = input.value.trim();
      const picked = list.hidden ? undefined : suggestions[active];
      if (picked) pick(picked);
      else if (text !== '' && options.enter) {
        close();
        options.enter(text);
      } else if (text !== '' && fresh && suggestions[0]) pick(suggestions[0]);
      else if (text !== '') {
        if (list.hidden) ask(0);
        entered = true;
      }
    }
  });
}
