/** Elements in one call. Whatever comes from data becomes text, never markup. */

/** Attributes by name; a function is a listener of the event after `on`; false and undefined are left out. */
type Properties = Readonly<Record<string, string | number | boolean | undefined | ((event: Event) => void)>>;

/** An element with its properties and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: readonly (Node | string | null)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === 'function') made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The element of the document with this id. */
export function part<Type extends HTMLElement = HTMLElement>(id: string): Type {
  return document.getElementById(id) as Type;
}

const shapes = {
  like: 'M8 13.5C2.5 9.6 1.5 7.4 1.5 5.6a3.3 3.3 0 0 1 6.5-1 3.3 3.3 0 0 1 6.5 1c0 1.8-1 4-6.5 7.9z',
  dislike: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM3.7 3.7l8.6 8.6',
  remove: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
} as const;

/** A picture for a button that has a name in words besides. */
export function icon(name: keyof typeof shapes): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `icon ${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', shapes[name]);
  svg.append(path);
  return svg;
}

/** A title: its own direction of writing, cut to a few lines by the style sheet, whole when the pointer rests on it. */
export function titleText(title: string, name: 'span' | 'h3' = 'span'): HTMLElement {
  return element(name, { class: 'title', dir: 'auto', title: title.length > 60 ? title : undefined }, title);
}
