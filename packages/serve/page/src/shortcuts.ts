/** Shortcuts of one key. They rest while somebody types, while a dialog is open, and when they are switched off. */
import { element, part } from './dom';

/** A key, what it does in words, and the deed. */
export interface Shortcut {
  readonly key: string;
  readonly says: string;
  run(): void;
}

/** Sets the keys up, with the dialog that lists them behind `?`. */
export function setShortcuts(shortcuts: readonly Shortcut[]): void {
  const dialog = part<HTMLDialogElement>('keys-dialog');
  const on = part<HTMLInputElement>('keys-on');
  const open = () => {
    dialog.showModal();
    part('keys-close').focus();
  };
  const help = { key: '?', says: 'This list', run: open };
  part('help').addEventListener('click', help.run);
  part('keys').append(
    ...[...shortcuts, help].flatMap(({ key, says }) => [
      element('dt', {}, element('kbd', {}, key)),
      element('dd', {}, says),
    ]),
    element('dt', {}, element('kbd', {}, '↑'), ' ', element('kbd', {}, '↓')),
    element('dd', {}, 'Among suggestions; Enter picks, Escape closes'),
  );
  document.addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement;
    const typing = target.matches('input:not([type=checkbox]), textarea, select');
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (!on.checked || document.querySelector('dialog[open]')) return;
    const shortcut = [...shortcuts, help].find(({ key }) => key === event.key);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  });
}
