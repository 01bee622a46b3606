/** Signals that ask a process to stop: those of one moment are one request, whoever passes them on. */

/** The signals by which a terminal, a container or a CI asks for the end. */
export const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Signals within this time of the first are copies of it: npm passes on what the terminal sent already. */
const MOMENT_MS = 1_000;

/** What gives the signals: a process. */
export interface SignalSource {
  on(signal: (typeof STOP_SIGNALS)[number], listener: () => void): unknown;
}

/**
 * Listens to {@link STOP_SIGNALS}.
 * @param onRequest called once, by the first signal
 * @param onRepeat called by every signal that comes later than a moment after the first
 */
export function listenForStop(source: SignalSource, onRequest: () => void, onRepeat: () => void): void {
  let state: 'running' | 'just-asked' | 'asked' = 'running';
  const onSignal = () => {
    if (state === 'asked') onRepeat();
    if (state !== 'running') return;
    state = 'just-asked';
    // A process that computes gets its signals late, and together. They come between timers and immediates, so those
    // that arrived within the moment are still seen within it.
    setTimeout(() => setImmediate(() => (state = 'asked')), MOMENT_MS).unref();
    onRequest();
  };
  for (const signal of STOP_SIGNALS) source.on(signal, onSignal);
}
