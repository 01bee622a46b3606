// Lets scripts of users be TypeScript, and import our packages wherever they lie. Loaded by `node --import`.
import { register } from 'node:module';

register('./scripts-hooks.mjs', import.meta.url);
