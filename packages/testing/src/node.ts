/** @crossgate/testing/node: what tests need of Node alone. */

export { type Certificate, selfSigned } from './certificate';
export { type AskedChat, type ChatEndpoint, type ChatReply, chatBody, startChatEndpoint } from './endpoint';
export { folderWith, inventedMl1m, listing, resumeIfBegun } from './folders';
export { type HubRepository, serveHub } from './local-hub';
export { type LocalProxy, type LocalProxyOptions, startProxy } from './local-proxy';
export { type Answer, type LocalServer, type ServeOptions, serveBytes, startServer } from './local-server';
export { findMpirun, mpirunArguments, mpirunEnvironment, noMpi } from './mpi';
export { findNats, type NatsServer, noNats, startNats } from './nats';
export { findPostgres, noPostgres, type PostgresServer, startPostgres } from './postgres';
export { findProgram, type WantedProgram } from './programs';
export { findShellcheck, noShellcheck } from './shellcheck';
export { writeTinyModel } from './tiny-model';
export { zipOf } from './zip';
