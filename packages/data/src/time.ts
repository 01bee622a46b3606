// Parses times as users write them: seconds since 1970, or ISO 8601.

/** The end of the year 9999, in seconds since 1970. A larger number is no time in seconds. */
export const maximumTimestamp = 253_402_300_799;

const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Parses a time: a number of seconds since 1970 (fractions allowed), or an ISO 8601 date or time (UTC unless it has an
 * offset).
 *
 * @returns seconds since 1970; undefined for other forms, days that do not exist, and times before 1970 or after 9999.
 */
export function parseTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d+(\.\d*)?(e\+?\d+)?$/i.test(trimmed)) {
    const seconds = Number(trimmed);
    return seconds <= maximumTimestamp ? seconds : undefined;
  }
  const match = iso.exec(trimmed);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as number[];
  const time = Date.UTC(year as number, (month as number) - 1, day, hour, minute, second) / 1000;
  const date = new Date(time * 1000);
  // Date.UTC carries a 30th of February into March.
  if (date.getUTCMonth() + 1 !== month || date.getUTCDate() !== day || date.getUTCHours() !== hour) return undefined;
  if ((minute as number) > 59 || (second as number) > 59) return undefined;
  const zone = match[8];
  let offset = 0;
  if (zone !== undefined && zone !== 'Z') {
    const digits = zone.slice(1).replace(':', '');
    offset = (zone.startsWith('-') ? -1 : 1) * (Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2)) * 60);
  }
  const seconds = time - offset + Number(match[7] ?? 0);
  return seconds >= 0 && seconds <= maximumTimestamp ? seconds : undefined;
}
