/** @crossgate/train: the `crossgate` command as a library. Experiments without a command line are in `@crossgate/experiment`. */
export { crossgate, main } from './cli';
