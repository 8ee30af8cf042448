/** Times as DeviceHive's clients write them: in UTC if they name no zone; the server's zone does not matter. */

const EPOCH = /^\d{10,15}$/;
const ISO =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:[T ](?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:\.(?<fraction>\d{1,9}))?)?(?<zone>Z|[+-]\d\d:?\d\d)?)?$/i;
const ZONE = /^(?<sign>[+-])(?<hours>\d\d):?(?<minutes>\d\d)$/;

/** @returns minutes that the zone is ahead of UTC; undefined if the text is not a zone */
function parseZone(text: string): number | undefined {
  const { sign, hours, minutes } = ZONE.exec(text)?.groups ?? {};
  if (sign === undefined) return 0;
  if (Number(hours) > 18 || Number(minutes) > 59) return undefined;
  return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
}

/**
 * @param text ISO 8601, or milliseconds since the epoch
 * @returns milliseconds since the epoch; undefined if it is not a time, for example the 30th of February
 */
export function parseDateTime(text: string): number | undefined {
  if (EPOCH.test(text)) return Number(text);
  const parts = ISO.exec(text)?.groups;
  const zone = parts && parseZone(parts.zone ?? '');
  if (!parts || zone === undefined) return undefined;
  const { year, month, day, hour = '00', minute = '00', second = '00', fraction = '' } = parts;
  const spelled = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}Z`;
  const time = Date.parse(spelled);
  // Date takes the 30th of February for a day in March.
  const isPossible = !Number.isNaN(time) && new Date(time).toISOString() === spelled;
  return isPossible ? time - zone * 60_000 : undefined;
}
