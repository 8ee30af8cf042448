/** Lengths and points of time for people. */

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** @param seconds whole and positive @returns such as `1 hour 30 minutes` */
export function toDuration(seconds: number): string {
  let rest = seconds;
  const parts: string[] = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(`${count} ${unit}${count === 1 ? '' : 's'}`);
  }
  return parts.join(' ');
}

/** @param seconds positive @returns such as `15 minutes`, rounded up */
export function toMinutes(seconds: number): string {
  return toDuration(Math.ceil(seconds / 60) * 60);
}

/** @param at milliseconds @returns such as `29 December 2026`, in UTC */
export function toDay(at: number): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(at);
}

/** @param at milliseconds @returns such as `29 December 2026 at 17:05 UTC` */
export function toMoment(at: number): string {
  const format = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  return `${format.format(at)} UTC`;
}
