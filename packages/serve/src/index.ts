/** @crossgate/serve: a run over HTTP. Node only. */
export { checkAddress, type Listening, type ListenOptions, listen } from './listen';
export { openApiDocument } from './openapi';
export { checkOptions, isLoopback, LOOPBACK, readTokens, type ServeOptions } from './options';
export { type ProblemCode, problemCodes } from './problem';
export { createServer, type Server } from './server';
export { type WarmUpOptions, warmUp } from './warm-up';
