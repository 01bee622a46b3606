/** @crossgate/testing/node: what tests need of Node alone. */
export { type Answer, type LocalServer, type ServeOptions, serveBytes, startServer } from './local-server';
