/** @crossgate/serve: a run over HTTP. Node only. */
export { type Listening, type ListenOptions, listen } from './listen';
export { openApiDocument } from './openapi';
export { isLoopback, LOOPBACK, readTokens, type ServeOptions } from './options';
export { type ProblemCode, problemCodes } from './problem';
export { createServer, type Server } from './server';
