/** Signals that ask a process to stop: copies within a moment, a deliberate second one, a busy process. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listenForStop } from '../src/stop-signals';

describe('signals that ask to stop', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function listen() {
    const source = new EventEmitter();
    const heard: string[] = [];
    listenForStop(
      source,
      () => heard.push('stop'),
      () => heard.push('at once'),
    );
    return { source, heard };
  }

  it.each([
    ['the same twice', ['SIGINT', 'SIGINT']],
    ['two kinds', ['SIGINT', 'SIGTERM']],
    ['all kinds', ['SIGHUP', 'SIGTERM', 'SIGINT', 'SIGTERM']],
  ])('are one request within a moment: %s', (_name, signals) => {
    const { source, heard } = listen();
    for (const signal of signals) {
      source.emit(signal);
      vi.advanceTimersByTime(200);
    }
    expect(heard).toEqual(['stop']);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('end at once when another comes later: %s', (signal) => {
    const { source, heard } = listen();
    source.emit('SIGINT');
    vi.advanceTimersByTime(2_000);
    source.emit(signal);
    expect(heard).toEqual(['stop', 'at once']);
  });
});

it.skipIf(process.platform === 'win32')(
  'counts a signal by when it came, not by when a busy process sees it',
  async () => {
    // A real signal that means nothing here stands for SIGINT.
    const heard: string[] = [];
    let listener = () => {};
    const source = {
      on(signal: string, own: () => void) {
        if (signal !== 'SIGINT') return;
        listener = own;
        process.on('SIGUSR2', own);
      },
    };
    const computed = new Promise<void>((resolve) => {
      const onRequest = () => {
        heard.push('stop');
        process.kill(process.pid, 'SIGUSR2');
        for (const end = Date.now() + 1_200; Date.now() < end; );
        setTimeout(resolve, 50);
      };
      listenForStop(source, onRequest, () => heard.push('at once'));
    });
    process.kill(process.pid, 'SIGUSR2');
    await computed;
    expect(heard).toEqual(['stop']);
    // Node waits for the listener.
    const again = new Promise((resolve) => process.once('SIGUSR2', resolve));
    process.kill(process.pid, 'SIGUSR2');
    await again;
    process.off('SIGUSR2', listener);
    expect(heard).toEqual(['stop', 'at once']);
  },
);
