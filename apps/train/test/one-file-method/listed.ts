// The one line: the method in the list of methods, before anything reads it.
import { type Method, methods } from '@crossgate/fusion/methods';
import { prefixFused } from './prefix-fused';

(methods as Method[]).push(prefixFused);
