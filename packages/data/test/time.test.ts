/** Times as users write them: what is read, and what can't be what it is taken for. */
import { describe, expect, it } from 'vitest';
import { buildCsv, type CsvOptions, memorySource, parseTime } from '../src/index';
import { otherTimeForm } from '../src/time';
import { timeReader } from '../src/time-format';

const noon = Date.UTC(2024, 0, 31, 12) / 1000;

describe('parseTime', () => {
  it.each<[string, number | undefined]>([
    ['2024-01-31T12:00:00Z', noon],
    ['2024-01-31 12:00', noon],
    ['2024-01-31T13:00:00+01:00', noon],
    ['2024-01-31 13:00:00+01', noon],
    ['2024-01-31 12:00:00.250 UTC', noon + 0.25],
    ['2024-01-31t12:00:00,5z', noon + 0.5],
    ['2024-01-31 15:00:00 EEST', noon],
    ['2024-01-31 13:00:00 CET', noon],
    ['2024-01-31 07:00 EST', noon],
    ['2024-01-31T13:00:00+01:00[Europe/Berlin]', noon],
    // Of several zones.
    ['2024-01-31 12:00:00 CST', undefined],
    ['2024/1/31 12:00:00', noon],
    ['2024.01.31', noon - 43_200],
    [String(noon), noon],
    [`${noon}.0`, noon],
    ['1e9', 1e9],
    ['17', 17],
    ['2023-02-29', undefined],
    ['2024-01-31 24:00', undefined],
    ['2024-01-31 12:60', undefined],
    ['1969-12-31', undefined],
    ['2024-01/31', undefined],
    [`${noon}000`, undefined],
    ['202401311200', undefined],
    ['-5', undefined],
    ['', undefined],
    ['soon', undefined],
  ])('reads %j as %j', (text, seconds) => expect(parseTime(text)).toBe(seconds));
});

describe('timeReader', () => {
  it.each<[string, string, number | undefined]>([
    ['milliseconds', '1706702400250', noon + 0.25],
    ['microseconds', '1706702400250000', noon + 0.25],
    ['nanoseconds', '1706702400000000000', noon],
    ['milliseconds', '1706702400000.0', noon],
    ['excel-days', '45322.5', noon],
    ['seconds', '20240201', 20_240_201],
    ['YYYYMMDD', '20240131', noon - 43_200],
    ['YYYYMMDD', '20240131.0', noon - 43_200],
    ['YYYYMMDD', '20240231', undefined],
    ['YYYYMMDD', '2024-01-31', undefined],
    ['YYYYMMDDhhmm', '202401311200', noon],
    ['YYYYMMDDThhmmssZ', '20240131T120000Z', noon],
    ['YYYY', '2024', Date.UTC(2024) / 1000],
    ['DD.MM.YYYY[ hh:mm[:ss]]', '31.1.2024', noon - 43_200],
    ['DD.MM.YYYY[ hh:mm[:ss]]', '31.01.2024 12:00', noon],
    ['DD.MM.YYYY[ hh:mm[:ss]]', '31.01.2024 12:00:01.5', noon + 1.5],
    ['DD.MM.YYYY', '31.01.24', undefined],
    ['DD.MM.YY', '31.01.24', noon - 43_200],
    ['MM/DD/YYYY hh:mm AM', '1/31/2024 12:00 PM', noon],
    ['MM/DD/YYYY hh:mm AM', '1/31/2024 12:00 am', noon - 43_200],
    ['MM/DD/YYYY hh:mm AM', '1/31/2024 13:00 PM', undefined],
    ['MM DD, YYYY', '01 31, 2024', noon - 43_200],
    ['DD MMM YYYY', '31 January 2024', noon - 43_200],
    ['DD MMM YYYY', '31 Foo 2024', undefined],
    ['DD MMM YYYY', '31 janv. 2024', noon - 43_200],
    ['DD. MMM YYYY', '31. Jänner 2024', noon - 43_200],
    ['DD. MMM YYYY', '1. März 2024', Date.UTC(2024, 2, 1) / 1000],
    ['DD MMM YYYY', '1 juin 2024', Date.UTC(2024, 5, 1) / 1000],
    ['DD MMM YYYY', '1 juillet 2024', Date.UTC(2024, 6, 1) / 1000],
    ['DD MMM YYYY', '1 agosto 2024', Date.UTC(2024, 7, 1) / 1000],
    ['DD MMM YYYY', '1 août 2024', Date.UTC(2024, 7, 1) / 1000],
    ['DD MMM YYYY', '1 Dez. 2024', Date.UTC(2024, 11, 1) / 1000],
    ['MMM DD YYYY hh:mm AM', 'Jan 31 2024 12:00PM', noon],
    ['YYMMDD', '240131', noon - 43_200],
    ['ddd MMM DD YYYY hh:mm:ss Z', 'Wed Jan 31 2024 13:00:00 GMT+0100 (Central European Standard Time)', noon],
    ['ddd MMM DD hh:mm:ss Z YYYY', 'Wed Jan 31 13:00:00 +0100 2024', noon],
  ])('by %s reads %j as %j', (format, text, seconds) => expect(timeReader(format)?.(text)).toBe(seconds));

  it.each(['', 'hh:mm', 'DD', 'DD.YYYY', 'YYYY YYYY', 'YYYY YY', '[YYYY', 'YYYY]', 'unix', 'YYYY foo'])(
    'knows no format %j',
    (format) => expect(timeReader(format)).toBeUndefined(),
  );
});

describe('otherTimeForm', () => {
  it.each<[string, string | undefined]>([
    ['20240201', 'YYYYMMDD'],
    ['20240201.0', 'YYYYMMDD'],
    ['20241301', undefined],
    ['2024020112', 'YYYYMMDDhh'],
    ['202402011230', 'YYYYMMDDhhmm'],
    ['20240201123059', 'YYYYMMDDhhmmss'],
    ['1706702400000', 'milliseconds'],
    ['978300760000', 'milliseconds'],
    ['1.7067024e12', 'milliseconds'],
    ['1706702400000000', 'microseconds'],
    ['1706702400000000000', 'nanoseconds'],
    ['45322', 'excel-days'],
    ['2024', 'YYYY'],
    ['240131', 'YYMMDD'],
    ['202401', 'YYYYMM'],
    ['240132', undefined],
    ['1706702400', undefined],
    ['17', undefined],
    ['2024-01-31', undefined],
  ])('%s is %j', (text, format) => expect(otherTimeForm(text)?.format).toBe(format));
});

describe('the loader', () => {
  const build = (times: readonly string[], csv: CsvOptions = {}) =>
    buildCsv(
      memorySource({
        'interactions.csv': `user;item;rating;timestamp\n${times.map((time, row) => `u${row % 3};i${row};${row % 5};${time}`).join('\n')}\n`,
      }),
      { split: { by: 'leave-one-out' }, csv: { separator: ';', ...csv } },
    );
  const timesOf = async (times: readonly string[], csv: CsvOptions) =>
    [...(await build(times, csv)).splits.train.timestamp].sort((a, b) => a - b);

  it.each<[string, string[], RegExp]>([
    ['compact dates', ['20240201', '20240202', '20240203'], /:2: timestamp is 20240201, which .* 1970; .*: YYYYMMDD/],
    ['compact dates with gaps', ['20240201.0', '20240202.0'], /timeFormat: YYYYMMDD/],
    ['one among seconds', ['1706702400', '20240202', '1706702401'], /:3: timestamp is 20240202.*YYYYMMDD/],
    ['one among dates', ['2024-01-31', '20240202'], /:3: timestamp is 20240202.*YYYYMMDD/],
    ['compact times', ['202402011230', '202402011231'], /:2: .* got "202402011230"; .*timeFormat: YYYYMMDDhhmm/],
    ['compact hours', ['2024020112', '2024020113'], /timeFormat: YYYYMMDDhh/],
    ['milliseconds', ['1706702400000'], /timeFormat: milliseconds/],
    ['microseconds', ['1706702400000000'], /timeFormat: microseconds/],
    ['nanoseconds', ['1706702400000000000'], /timeFormat: nanoseconds/],
    ['days of Excel', ['45322', '45323.25'], /timeFormat: excel-days/],
    ['short dates', ['240131', '240201'], /1970; .*timeFormat: YYMMDD, or seconds/],
    ['months', ['202312', '202401'], /timeFormat: YYYYMM, or seconds/],
    ['years', ['2019', '2024'], /timeFormat: YYYY, or seconds/],
    ['the 31st first', ['31.12.2023'], /got "31\.12\.2023"; data\.csv\.timeFormat reads others/],
    ['nothing', ['1706702400', ''], /:3: .*got ""; data\.csv\.missing: \[""\]/],
    ['N/A', ['N/A'], /data\.csv\.missing: \["N\/A"\]/],
  ])('refuses %s', async (_, times, message) => {
    await expect(build(times)).rejects.toMatchObject({ name: 'InputError', message: expect.stringMatching(message) });
  });

  it('reads them in the form that the message names', async () => {
    expect(await timesOf(['20240131', '20240201'], { timeFormat: 'YYYYMMDD' })).toEqual([noon - 43_200, noon + 43_200]);
    expect(await timesOf(['1706702400500'], { timeFormat: 'milliseconds' })).toEqual([noon + 0.5]);
    expect(await timesOf(['1706702400,5'], { decimal: ',' })).toEqual([noon + 0.5]);
    expect(await timesOf(['20240201'], { timeFormat: 'seconds' })).toEqual([20_240_201]);
    await expect(build(['2024-01-31'], { timeFormat: 'YYYYMMDD' })).rejects.toThrow(
      /must be a time written as YYYYMMDD/,
    );
    await expect(build(['1'], { timeFormat: 'soon' })).rejects.toThrow(/^data\.csv\.timeFormat: must be seconds, /);
  });

  it('takes numbers that count from 1, and says what is doubtful', async () => {
    expect((await build(['1', '2', '2024', '45322'])).warnings.join()).not.toMatch(/timestamp/);
    expect((await build(['1706702400', '0'])).warnings.join()).toMatch(/1 times lie before March 1973 and 1 after it/);
    expect((await build(['14102100', '14102101'])).warnings.join()).toMatch(/all 2 times lie before March 1973/);
  });

  it('leaves out rows whose value is missing, and counts them', async () => {
    const dataset = await build(['1706702400', 'N/A', '1706702401', ''], { missing: ['N/A', ''] });
    expect(dataset.splits.train.rows + dataset.splits.valid.rows + dataset.splits.test.rows).toBe(2);
    expect(dataset.warnings.join()).toMatch(/2 rows are left out.* the first is interactions\.csv:3/);
    await expect(build(['N/A'], { missing: ['N/A'] })).rejects.toThrow(/all 1 rows lack a value/);
  });

  it('refuses a moment of the split that is a compact date', async () => {
    const source = memorySource({ 'interactions.csv': 'user,item,rating,timestamp\na,p,5,1706702400\n' });
    const split = { validFrom: 20_240_101, testFrom: '2024-02-01' };
    await expect(buildCsv(source, { split })).rejects.toThrow(
      /validFrom: must be .* got 20240101, which looks like YYYYMMDD/,
    );
  });
});
