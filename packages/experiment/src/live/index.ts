/**
 * @crossgate/experiment/live: a finished run that answers for people and items, opened from any folder. Unlike the rest
 * of the package, it runs in browsers too.
 */
export { canBeLive } from './live-models';
export type * from './live-run';
export {
  needsModel,
  type OpenedRun,
  openRunFolder,
  type RunFolderOptions,
  readRunFolder,
} from './open-run-folder';
