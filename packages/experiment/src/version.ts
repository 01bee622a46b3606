/** The version of Crossgate: all packages have one. */
import manifest from '../package.json';

export const version: string = manifest.version;
