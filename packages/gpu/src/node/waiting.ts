/** Waiting for a software adapter without taking the cores that it computes on. */

const sliceMilliseconds = 1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
/** One sleeper serves all waits: waits that follow each other within a turn must not each add theirs. */
let sleeping = false;

/**
 * Waits for a promise of Dawn without keeping a core busy. Dawn polls the device in every turn of the event loop, which
 * takes a core away from a software adapter; a short sleep in each turn gives it back.
 */
export async function waitInSlices<T>(promise: Promise<T>): Promise<T> {
  waiting++;
  if (!sleeping) {
    sleeping = true;
    setImmediate(sleepWhileWaiting);
  }
  try {
    return await promise;
  } finally {
    waiting--;
  }
}

function sleepWhileWaiting(): void {
  sleeping = waiting > 0;
  if (!sleeping) return;
  Atomics.wait(sleeper, 0, 0, sliceMilliseconds);
  setImmediate(sleepWhileWaiting);
}
