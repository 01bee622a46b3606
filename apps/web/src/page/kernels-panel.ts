/** The panel of kernels: measures some of them on this GPU, line by line. */
import { type Running, start } from './client';
import { Panel } from './panel';
import type { KernelSpeed } from './protocol';
import { counted, duration, element, part } from './shared';

const panel = new Panel('kernels');
const [measure, stop] = [part<HTMLButtonElement>('measure'), part<HTMLButtonElement>('stop-measuring')];
const rows = part('speed-rows');
let running: Running<'kernels'> | undefined;

/** Starts the panel. @param isUsable whether there is a GPU */
export function startKernelsPanel(isUsable: boolean): void {
  measure.disabled = !isUsable;
  measure.addEventListener('click', () => void run());
  stop.addEventListener('click', () => running?.stop());
}

async function run(): Promise<void> {
  rows.replaceChildren();
  measure.disabled = true;
  stop.hidden = false;
  panel.say('Measuring…');
  const begun = performance.now();
  const done = await panel.during(() => {
    running = start('kernels', null, (speed) => {
      part('speeds-frame').hidden = false;
      rows.append(rowElement(speed));
    });
    return running.done;
  });
  running = undefined;
  measure.disabled = false;
  stop.hidden = true;
  if (done !== undefined) panel.say(`${counted(done, 'kernel')} in ${duration(performance.now() - begun)}.`);
}

function rowElement({ name, shape, milliseconds, rate, unit }: KernelSpeed): HTMLElement {
  const time = milliseconds < 1 ? `${(1000 * milliseconds).toFixed(0)} µs` : `${milliseconds.toFixed(2)} ms`;
  return element(
    'tr',
    {},
    element('td', {}, name, element('span', { class: 'soft' }, shape)),
    element('td', { class: 'amount' }, time),
    element('td', { class: 'amount' }, `${rate < 10 ? rate.toFixed(2) : rate.toFixed(0)} ${unit}`),
  );
}
