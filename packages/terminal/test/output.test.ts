/** Log lines, progress, and the text of errors. */

import { Writable } from 'node:stream';
import { describeError, formatDuration, InputError, InterruptedError, NoAdapterError, nearest } from '@crossgate/core';
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../src/exit-codes';
import { createLogger } from '../src/log';
import { createProgress } from '../src/progress';

function sink() {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return { stream, text: () => text };
}

describe('log', () => {
  it('writes plain lines by level', () => {
    const { stream, text } = sink();
    const log = createLogger(stream);
    log.debug('hidden');
    log.info({ rows: 3, name: 'x' }, 'loaded');
    log.warn('slow');
    expect(text()).toBe('loaded (rows 3, name x)\nwarning: slow\n');
  });

  it('keeps warnings when quiet and shows debug lines when verbose', () => {
    const [quiet, verbose] = [sink(), sink()];
    const quietLog = createLogger(quiet.stream, { quiet: true });
    quietLog.info('no');
    quietLog.warn('yes');
    createLogger(verbose.stream, { verbose: true }).debug('detail');
    expect([quiet.text(), verbose.text()]).toEqual(['warning: yes\n', 'detail\n']);
  });
});

describe('progress', () => {
  it('says nothing for short work, then a line with rate and remaining time now and then', () => {
    const { stream, text } = sink();
    let now = 0;
    const task = createProgress(stream, { terminal: false, clock: () => now }).start('stage 1', 100, 'rows');
    now = 1_000;
    task.update(10);
    expect(text()).toBe('');
    now = 4_000;
    task.update(40, 'loss 0.5');
    now = 5_000;
    task.update(50);
    now = 20_000;
    task.update(80);
    task.finish();
    task.update(90);
    expect(text()).toBe(
      'stage 1: 40/100 rows, 10.0 rows/s, 6s left, loss 0.5\nstage 1: 80/100 rows, 4.00 rows/s, 5s left\n',
    );
  });

  it('does not count what was done before', () => {
    const { stream, text } = sink();
    let now = 0;
    const task = createProgress(stream, { terminal: false, clock: () => now }).start('stage 1', 100, 'steps', 60);
    now = 4_000;
    task.update(80);
    expect(text()).toBe('stage 1: 80/100 steps, 5.00 steps/s, 4s left\n');
  });

  it('draws a bar on a terminal', () => {
    const { stream, text } = sink();
    Object.assign(stream, { isTTY: true, columns: 120 });
    let now = 0;
    const task = createProgress(stream, { terminal: true, clock: () => now }).start('stage 1', 100);
    now = 3_000;
    task.update(50);
    task.finish();
    expect(text()).toContain('stage 1 [');
    expect(text()).toContain('50/100 rows');
  });

  it.each([
    [3, '3s'],
    [185, '3m05s'],
    [3720, '1h02m'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('%d seconds read %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});

describe('errors', () => {
  it('have their exit code by class', () => {
    expect(exitCodeOf(new InputError('x'))).toBe(2);
    expect(exitCodeOf(new RangeError('x'))).toBe(1);
    expect(exitCodeOf(new NoAdapterError('x'))).toBe(3);
    expect(exitCodeOf(new InterruptedError())).toBe(130);
    expect(exitCodeOf(Object.assign(new Error('x'), { code: 'EACCES', path: '/p' }))).toBe(2);
    expect(exitCodeOf(Object.assign(new Error('x'), { code: 'ENOSPC' }))).toBe(1);
    expect(exitCodeOf(new TypeError('x'))).toBe(1);
  });

  it('are one or two lines', () => {
    expect(describeError(new Error('a\n\nb\nc'))).toBe('a\nb');
    const denied = Object.assign(new Error('EACCES: …'), { code: 'EACCES', path: '/p' });
    expect(describeError(denied)).toBe('/p: permission denied');
  });
});

describe('nearest', () => {
  it('finds typing errors and nothing far away', () => {
    expect(nearest('lerningRate', ['learningRate', 'rank'])).toBe('learningRate');
    expect(nearest('vlaid', ['train', 'valid', 'test'])).toBe('valid');
    expect(nearest('completely', ['train', 'valid', 'test'])).toBeUndefined();
  });
});
