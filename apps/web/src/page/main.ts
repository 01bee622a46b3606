/** The page: says which GPU there is, and starts the panels. */
import { start } from './client';
import { startKernelsPanel } from './kernels-panel';
import type { Gpu } from './protocol';
import { startRunPanel } from './run-panel';
import { element, part, sentence } from './shared';
import { startTrainPanel } from './train-panel';

/** Says that nothing can be computed here, and why. */
function refuse(problem: string): void {
  const chip = part('gpu');
  chip.className = 'chip none';
  chip.textContent = 'No WebGPU';
  const notice = part('no-gpu');
  const [what = problem, ...fix] = problem.split('; ');
  notice.replaceChildren(
    element('strong', {}, 'This page computes on the GPU of your device, and cannot here.'),
    element('span', {}, sentence(what)),
    ...(fix.length > 0 ? [element('span', {}, sentence(fix.join('; ')))] : []),
  );
  notice.hidden = false;
}

function welcome({ name, vendor, software }: Gpu): void {
  const chip = part('gpu');
  chip.className = software ? 'chip slow' : 'chip ready';
  const words = name.toLowerCase().includes(vendor.toLowerCase()) || vendor === 'unknown' ? name : `${vendor} ${name}`;
  chip.textContent = software ? `${words}, a program on the CPU: slow` : words;
}

let gpu: Gpu | null = null;
try {
  gpu = await start('gpu', null).done;
  welcome(gpu);
} catch (error) {
  refuse((error as Error).message);
}
startTrainPanel(gpu !== null);
startKernelsPanel(gpu !== null);
await startRunPanel(gpu !== null);
document.documentElement.dataset.ready = '';
