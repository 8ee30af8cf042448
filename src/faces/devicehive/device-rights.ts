/** What a user may do with devices: what the operator says, else what a new user of DeviceHive may do. */

import type { FaceSettings, Organization, User } from '../../nouns/index.ts';
import {
  ALL_DEVICE_ACCESS,
  type DeviceAccess,
  type Dimension,
  NO_DEVICE_ACCESS,
  toExtent,
} from '../../permissions/device-access.ts';
import type { Extent } from '../../permissions/extent.ts';
import { CLIENT_ACTIONS } from './actions.ts';
import type { DeviceHiveSettings, DeviceRights } from './settings.ts';

/**
 * Administrators have no devices of their own: they may do everything where the organization lets them in, and nothing
 * elsewhere.
 */
export function findDeviceRights(
  { realm, administers, faces, username }: User,
  organization: Organization | undefined,
): DeviceAccess {
  const settings = organization?.faces?.devicehive as DeviceHiveSettings | undefined;
  const isAdministrator = organization !== undefined && administers.includes(organization.id);
  if (realm === 'management') {
    return isAdministrator && settings?.administrators ? ALL_DEVICE_ACCESS : NO_DEVICE_ACCESS;
  }
  if (isAdministrator) return ALL_DEVICE_ACCESS;
  const own: DeviceRights = faces?.devicehive ?? {};
  const extent = (dimension: Dimension, list: readonly string[] | undefined, usual: Extent): Extent =>
    list === undefined ? usual : toExtent(list, dimension);
  const plugins = settings?.plugins?.filter(({ creator }) => creator === username) ?? [];
  return {
    actions: extent('actions', own.actions, new Set(CLIENT_ACTIONS)),
    networks: extent('networks', own.networks, new Set()),
    deviceTypes: extent('deviceTypes', own.deviceTypes, '*'),
    topics: new Set(plugins.map(({ topic }) => topic)),
  };
}

/** Plugins name their creator by user name. */
export function withoutPluginsOf(settings: FaceSettings, { username }: User): FaceSettings | undefined {
  const { plugins = [] } = settings as DeviceHiveSettings;
  const left = plugins.filter(({ creator }) => creator !== username);
  return left.length === plugins.length ? undefined : { ...settings, plugins: left };
}
