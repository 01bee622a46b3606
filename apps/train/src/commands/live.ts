/** Which finished runs can answer for what came after their training. */
import { resolve } from 'node:path';
import { canBeLive, notLive, readResult, type Session } from '@crossgate/experiment';

/** Whether a run is of a method that `openLiveRun` opens. @throws InputError for a path that is no complete run */
export async function isLive(session: Session, run: string): Promise<boolean> {
  const { method } = await readResult(resolve(session.cwd, run));
  return canBeLive(method);
}

/** @throws InputError naming the first of these options that is given, for a run that is not live */
export async function refuseNewer<O extends object>(
  session: Session,
  run: string,
  options: O,
  names: readonly (keyof O & string)[],
): Promise<void> {
  const given = names.find((name) => options[name] !== undefined);
  if (given === undefined) return;
  const { method } = await readResult(resolve(session.cwd, run));
  throw notLive(method, `--${given}`);
}
