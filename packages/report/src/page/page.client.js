// Runs in the page: makes each map of items answer to pointer, keyboard and search. Without it the page is whole, only
// still.
// @ts-check

/** How many found items have a button. */
const SHOWN = 30;
/** How far from a point, in pixels of the screen, the pointer still means it. */
const REACH = 16;

for (const map of document.querySelectorAll('.map')) activate(map);

/** @param {Element} map */
function activate(map) {
  /** @param {string} selector @returns {HTMLElement} */
  const part = (selector) => /** @type {HTMLElement} */ (map.querySelector(selector));
  // The outer picture hears the pointer everywhere; the inner one has the coordinates of the points.
  const picture = /** @type {SVGSVGElement} */ (map.querySelector('svg'));
  const svg = /** @type {SVGSVGElement} */ (picture.querySelector('svg'));
  const search = /** @type {HTMLInputElement} */ (part('input[type=search]'));
  const [controls, found, status] = [part('.controls'), part('.found'), part('.status')];
  // Each kind of embedding is a group of points in the order of the items.
  const kinds = [...map.querySelectorAll('input[type=checkbox]')].map((box, i) => {
    const input = /** @type {HTMLInputElement} */ (box);
    const group = svg.querySelector(`.points-${i}`);
    return { input, name: input.value, group, points: [...(group ? group.querySelectorAll('circle') : [])] };
  });
  const titles = (kinds[0]?.points ?? []).map((point) => point.querySelector('title')?.textContent ?? '');
  let chosen = -1;

  /** @param {number} item @param {string} name @param {boolean} on */
  const mark = (item, name, on) => {
    for (const { points } of kinds) points[item]?.classList.toggle(name, on);
  };

  /** @param {number} item @param {string} [kind] */
  const choose = (item, kind) => {
    if (item === chosen) return;
    if (chosen >= 0) mark(chosen, 'chosen-point', false);
    chosen = item;
    if (item >= 0) {
      mark(item, 'chosen-point', true);
      status.textContent = `${titles[item]}${kind === undefined ? '' : ` (${kind})`}`;
    } else status.textContent = '';
    for (const button of found.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(button.dataset.item === String(item)));
    }
  };

  const look = () => {
    const wanted = search.value.trim().toLocaleLowerCase();
    const hits = new Set(
      wanted === '' ? [] : titles.flatMap((title, item) => (title.toLocaleLowerCase().includes(wanted) ? [item] : [])),
    );
    for (const item of titles.keys()) mark(item, 'found-point', hits.has(item));
    found.replaceChildren(
      ...[...hits].slice(0, SHOWN).map((item) => {
        const [entry, button] = [document.createElement('li'), document.createElement('button')];
        button.type = 'button';
        button.dataset.item = String(item);
        // As text: a title is never markup.
        button.textContent = titles[item] ?? '';
        button.addEventListener('click', () => choose(item));
        entry.append(button);
        return entry;
      }),
    );
    choose(-1);
    const more = hits.size > SHOWN ? `, the first ${SHOWN} below` : '';
    const count = hits.size === 1 ? '1 item found' : `${hits.size} items found${more}`;
    status.textContent = wanted === '' ? '' : count;
  };

  /** @param {PointerEvent} event */
  const point = (event) => {
    const matrix = svg.getScreenCTM();
    if (matrix === null) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let [nearest, distance, kind] = [-1, REACH / matrix.a, ''];
    for (const { input, name, points } of kinds) {
      if (!input.checked) continue;
      for (const [item, { cx, cy }] of points.entries()) {
        const away = Math.hypot(cx.baseVal.value - at.x, cy.baseVal.value - at.y);
        if (away < distance) [nearest, distance, kind] = [item, away, name];
      }
    }
    if (nearest >= 0) choose(nearest, kind);
  };

  search.addEventListener('input', look);
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    search.value = '';
    look();
  });
  picture.addEventListener('pointermove', point);
  picture.addEventListener('pointerdown', point);
  for (const { input, group } of kinds) {
    input.addEventListener('change', () => group?.classList.toggle('gone', !input.checked));
  }
  controls.hidden = false;
}
