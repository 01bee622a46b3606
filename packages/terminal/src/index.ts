/** @crossgate/terminal: what the programs of this repository have in common. Node only. */
export { completionScript, type Shell } from './completion';
export { askYesNo } from './confirm';
export { type CommandContext, createContext, type GlobalOptions } from './context';
export { ExitCode, exitCodeOf } from './exit-codes';
export type { Handler, Host } from './host';
export { type Io, write } from './io';
export { createLogger, formatRecord } from './log';
export { refuseOverwriting } from './outputs';
export { buildProgram, collect, type ProgramDeclaration, runProgram, wholeNumber } from './program';
export { createProgress } from './progress';
export { startProcess } from './start';
