/** The page's policy forbids code made of text; zod would try it, and the browser would report that. Imported first. */
import { config } from 'zod';

config({ jitless: true });
