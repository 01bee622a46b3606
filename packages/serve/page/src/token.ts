/** The token of a server that asks for one: kept in this tab's session storage alone. */
import { part } from './dom';

const key = 'crossgate-token';

/** The token in use, or null. */
export function token(): string | null {
  return sessionStorage.getItem(key);
}

/** Drops the token. */
export function forgetToken(): void {
  sessionStorage.removeItem(key);
}

/**
 * Asks the reader for a token.
 * @param refused the one in use was not taken
 * @returns false when they gave none
 */
export function askToken(refused: boolean): Promise<boolean> {
  const dialog = part<HTMLDialogElement>('token-dialog');
  const input = part<HTMLInputElement>('token');
  if (refused) forgetToken();
  part('token-said').textContent = refused
    ? 'The token was refused. Give another.'
    : 'Whoever runs the server has it (--token-file or CROSSGATE_TOKEN).';
  input.value = '';
  dialog.returnValue = '';
  part('token-cancel').onclick = () => dialog.close('');
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    dialog.addEventListener(
      'close',
      () => {
        const given = dialog.returnValue === 'given' && input.value.trim() !== '';
        if (given) sessionStorage.setItem(key, input.value.trim());
        input.value = '';
        resolve(given);
      },
      { once: true },
    );
  });
}
