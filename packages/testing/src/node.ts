/** @crossgate/testing/node: what tests need of Node alone. */

export { folderWith, inventedMl1m, listing, resumeIfBegun } from './folders';
export { type Answer, type LocalServer, type ServeOptions, serveBytes, startServer } from './local-server';
export { writeTinyModel } from './tiny-model';
export { zipOf } from './zip';
