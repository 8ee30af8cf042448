/** All kinds of authorization details (RFC 9396) side by side: as one list in requests, tokens and answers. */
import {
  type AuthorizationDetail,
  parseAuthorizationDetails,
  TABLE_ACCESS,
  TABLE_ACCESS_SET,
  toAuthorizationDetails,
} from './authorization-details.ts';
import {
  DEVICE_ACCESS,
  type DeviceAccess,
  type DeviceAccessDetail,
  NO_DEVICE_ACCESS,
  parseDeviceAccess,
  toDeviceAccessDetails,
} from './device-access.ts';
import { parseJsonText } from './json.ts';
import type { Permissions } from './permissions.ts';

/** The types that clients may ask for. */
export const DETAIL_TYPES = [TABLE_ACCESS, TABLE_ACCESS_SET, DEVICE_ACCESS] as const;

export interface AskedDetails {
  readonly permissions: Permissions;
  /** Undefined: the list speaks of no devices, and so asks for none. */
  readonly devices: DeviceAccess | undefined;
  /** The resource that the details name, else the one given. */
  readonly resource: string | undefined;
}

const isOfDevices = (detail: unknown): boolean =>
  typeof detail === 'object' && detail !== null && (detail as { type?: unknown }).type === DEVICE_ACCESS;

/** @throws PermissionsError as the parsers of the kinds do */
export function parseDetails(value: unknown, resource: string | undefined): AskedDetails {
  if (!Array.isArray(value) || !value.some(isOfDevices)) {
    return { ...parseAuthorizationDetails(value, resource), devices: undefined };
  }
  const devices = parseDeviceAccess(value.filter(isOfDevices), resource);
  const tables = parseAuthorizationDetails(
    value.filter((detail) => !isOfDevices(detail)),
    devices.resource,
  );
  return { ...tables, devices: devices.permissions };
}

/** The same from JSON text, which is read more strictly: an object that has a name twice is refused. */
export function parseDetailsText(text: string, resource: string | undefined): AskedDetails {
  return parseDetails(parseJsonText(text), resource);
}

/** In full, unless `spell` is the short form. @param devices undefined where nothing is said of devices */
export function toDetails(
  permissions: Permissions,
  devices: DeviceAccess | undefined,
  resource: string,
  spell = toAuthorizationDetails,
): (AuthorizationDetail | DeviceAccessDetail)[] {
  const tables = spell(permissions, resource);
  return devices ? [...tables, ...toDeviceAccessDetails(devices, resource)] : tables;
}

/** Details leave out of a request what they do not name, so that a list without devices asks for none. */
export function devicesAsked(asked: AskedDetails | undefined): DeviceAccess | undefined {
  return asked && (asked.devices ?? NO_DEVICE_ACCESS);
}
