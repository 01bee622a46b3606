/** How `crossgate-bench` measures. */
export { measure } from '../../../../bench/src/measure';
