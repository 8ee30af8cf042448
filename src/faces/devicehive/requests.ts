/** The bodies of DeviceHive's requests: names, numbers and texts are taken where the original takes them. */
import { PermissionsNotAllowed } from '../../errors/domain.ts';
import {
  type DeviceAccess,
  type Dimension,
  type StoredDeviceAccess,
  toExtent,
} from '../../permissions/device-access.ts';
import { PermissionsError } from '../../permissions/errors.ts';
import { isJsonObject, type JsonObject } from '../../permissions/json.ts';
import { defined } from '../../storage/defined.ts';
import { findActionId, findActionName } from './actions.ts';
import { DeviceHiveRefusal, INVALID_PARAMETERS } from './errors.ts';

/** What a token may be made for; a dimension that is absent stands for all that its holder has. */
type WantedDevices = Partial<StoredDeviceAccess>;

/** @throws PermissionsNotAllowed for what cannot be the name of anything */
export function toDeviceAccess(wanted: WantedDevices): Partial<DeviceAccess> {
  try {
    const dimensions = Object.entries(wanted) as [Dimension, readonly string[]][];
    return Object.fromEntries(
      dimensions.map(([dimension, values]) => [dimension, toExtent(values, dimension)]),
    );
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw new PermissionsNotAllowed({ description: error.message, cause: error });
  }
}

/**
 * Leaves out the dimensions of which all is asked for. "All" then means all that the user has: some clients ask for it
 * without knowing what there is.
 */
export function withinTheirs(devices: WantedDevices): WantedDevices {
  return Object.fromEntries(Object.entries(devices).filter(([, list]) => !list.includes(ALL)));
}

/** Times are in milliseconds since the epoch. */
export interface WantedPair {
  readonly devices: WantedDevices;
  readonly expiresAt: number | undefined;
  readonly refreshExpiresAt: number | undefined;
}

const ALL = '*';
const ALL_ID = 0;
const MOST = 1000;

/** The original names the property of the object that it could not make. */
function missing(property: string): DeviceHiveRefusal {
  return new DeviceHiveRefusal(
    400,
    `Error! Make sure, that the passed object is correct: property ${property} is missing or has a wrong type`,
  );
}

function requireObject(body: unknown): JsonObject {
  if (!isJsonObject(body)) throw new DeviceHiveRefusal(400, INVALID_PARAMETERS);
  return body;
}

/** @throws DeviceHiveRefusal 400 */
export function parseLogin(body: unknown): { login: string; password: string } {
  const { login, password: given } = requireObject(body);
  // A number is the text of its digits, as the original reads it.
  const password = typeof given === 'number' ? String(given) : given;
  const isGiven = (value: unknown): value is string => typeof value === 'string' && value !== '';
  if (!isGiven(login) || !isGiven(password)) {
    throw new DeviceHiveRefusal(400, 'Invalid or empty authorization request parameters');
  }
  return { login, password };
}

/** @throws DeviceHiveRefusal 400 */
export function parseRefresh(body: unknown): string {
  const { refreshToken } = requireObject(body);
  if (typeof refreshToken !== 'string' || refreshToken === '') throw missing('refreshToken');
  return refreshToken;
}

function requireList(value: unknown): readonly (string | number)[] {
  const isOne = (item: unknown): boolean => typeof item === 'string' || Number.isSafeInteger(item);
  if (!Array.isArray(value) || value.length > MOST || !value.every(isOne)) {
    throw new DeviceHiveRefusal(400, INVALID_PARAMETERS);
  }
  return value;
}

/** Drops unknown actions, as the original does. An empty or absent list allows nothing, never everything. */
function parseActions(value: unknown): readonly string[] {
  const list = value === undefined || value === null ? [] : requireList(value);
  const ids = list.map((item) => {
    if (item === ALL) return ALL_ID;
    const number = typeof item === 'number' ? item : Number(item.trim() || Number.NaN);
    return Number.isInteger(number) ? number : findActionId(String(item));
  });
  if (ids.includes(ALL_ID)) return [ALL];
  return [...new Set(ids.flatMap((id) => findActionName(id) ?? []))];
}

/** @returns undefined for all that the user has */
function parseIds(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const ids = requireList(value).map(String);
  return ids.includes(ALL) ? [ALL] : [...new Set(ids)];
}

const EPOCH = /^\d{10,15}$/;
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?:Z|([+-])(\d\d):?(\d\d))?)?$/i;

/**
 * Times are in UTC if they name no zone; the server's zone does not matter.
 * @param text ISO 8601, or milliseconds since the epoch
 * @returns milliseconds since the epoch; undefined if it is not a time, for example the 30th of February
 */
function parseDateTime(text: string): number | undefined {
  if (EPOCH.test(text)) return Number(text);
  const [, day, clock = '00:00', sign, hours = '0', minutes = '0'] = ISO.exec(text) ?? [];
  const time = Date.parse(`${day}T${clock}Z`);
  // Date takes the 30th of February for a day in March.
  const isPossible = !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === day;
  if (!isPossible || Number(hours) > 18 || Number(minutes) > 59) return undefined;
  const minutesAhead = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  return time - minutesAhead * 60_000;
}

/**
 * @param now milliseconds
 * @returns milliseconds; undefined if none is given
 * @throws DeviceHiveRefusal 400 for a time that is over
 */
function parseTime(value: unknown, now: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  const time =
    typeof value === 'string' || typeof value === 'number' ? parseDateTime(String(value)) : undefined;
  if (time === undefined || time <= now) throw new DeviceHiveRefusal(400, INVALID_PARAMETERS);
  return time;
}

/** Only users who may make tokens for plugins can use topics. */
function withTopics(actions: readonly string[]): WantedDevices {
  const hasUse = actions.includes(ALL) || actions.includes('ManagePlugin');
  return hasUse ? { actions } : { actions, topics: [] };
}

/** @param now milliseconds @throws DeviceHiveRefusal 400 */
export function parsePair(body: unknown, now: number): WantedPair & { userId: number } {
  const { userId, actions, networkIds, deviceTypeIds, expiration, refreshExpiration } = requireObject(body);
  if (typeof userId !== 'number' || !Number.isSafeInteger(userId) || userId < 0) throw missing('userId');
  const ids = defined({ networks: parseIds(networkIds), deviceTypes: parseIds(deviceTypeIds) });
  const expiresAt = parseTime(expiration, now);
  return {
    userId,
    devices: { ...withTopics(parseActions(actions)), ...ids },
    expiresAt,
    refreshExpiresAt: parseTime(refreshExpiration, now) ?? expiresAt,
  };
}

/** @param now milliseconds @throws DeviceHiveRefusal 400 */
export function parsePluginPair(body: unknown, now: number): WantedPair & { topic: string } {
  const { a, e, tpc: topic } = requireObject(body);
  if (typeof topic !== 'string' || topic === '') throw missing('tpc');
  // Plugins ask for all actions, also if their creator has fewer.
  const devices = withinTheirs({ actions: parseActions(a), networks: [], deviceTypes: [], topics: [topic] });
  const expiresAt = parseTime(e, now);
  return { topic, devices, expiresAt, refreshExpiresAt: expiresAt };
}
