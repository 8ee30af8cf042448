/** Times as DeviceHive's clients write them: in UTC if they name no zone; the server's zone does not matter. */

const EPOCH = /^\d{10,15}$/;
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?:Z|([+-])(\d\d):?(\d\d))?)?$/i;

/**
 * @param text ISO 8601, or milliseconds since the epoch
 * @returns milliseconds since the epoch; undefined if it is not a time, for example the 30th of February
 */
export function parseDateTime(text: string): number | undefined {
  if (EPOCH.test(text)) return Number(text);
  const [, day, clock = '00:00', sign, hours = '0', minutes = '0'] = ISO.exec(text) ?? [];
  const time = Date.parse(`${day}T${clock}Z`);
  // Date takes the 30th of February for a day in March.
  const isPossible = !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === day;
  if (!isPossible || Number(hours) > 18 || Number(minutes) > 59) return undefined;
  const minutesAhead = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  return time - minutesAhead * 60_000;
}
