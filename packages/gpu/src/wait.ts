// How to wait for the GPU.

/** Waits for a promise of the GPU. Given by platforms on which plain waiting is costly. */
export type Wait = <T>(promise: Promise<T>) => Promise<T>;
