/** @crossgate/files: files that are whole or absent, folders, locks, downloads, archives. Node only. */
export { shippedPath } from './assets';
export { type FileContent, isTemporaryName, temporaryName, withPath, writeAtomic } from './atomic';
export { type DownloadOptions, downloadFile, type WantedFile } from './download';
export { checkOutFolder, type WriteFolderOptions, writeFolder } from './folder';
export { acquireLock, checkUnlocked, type Lock } from './lock';
export { makeFolders, removeFolders } from './make-folders';
export { type NetworkOptions, type Patience, patientFetch, RefusedError } from './patience';
export type { Environment } from './proxy';
export { kindOf, readText, requireFile } from './read';
export { routedFetch } from './routed-fetch';
export { pathAdvice } from './unexpanded';
export { type CachePlace, homeOf, userCache } from './user-cache';
export { readZip } from './zip';
