/** What a user may do with devices: what the operator says, else what a new user of DeviceHive may do. */
import {
  ALL_DEVICE_ACCESS,
  type DeviceAccess,
  type Dimension,
  NO_DEVICE_ACCESS,
  type Reach,
  toReach,
} from '../permissions/device-access.ts';
import { CLIENT_ACTIONS } from '../permissions/devicehive-actions.ts';
import type { User } from '../storage/nouns.ts';
import type { DirectoryView } from './directory.ts';

/**
 * Administrators have no devices of their own: they may do everything where the organization lets them in, and nothing
 * elsewhere.
 * @param organization id
 */
export async function findDeviceRights(
  view: Pick<DirectoryView, 'findOrganization'>,
  { realm, administers, devicehive = {}, username }: User,
  organization: string,
): Promise<DeviceAccess> {
  const { plugins = [], administrators = false } =
    (await view.findOrganization(organization))?.faces?.devicehive ?? {};
  const isAdministrator = administers.includes(organization);
  if (realm === 'management') return isAdministrator && administrators ? ALL_DEVICE_ACCESS : NO_DEVICE_ACCESS;
  if (isAdministrator) return ALL_DEVICE_ACCESS;
  const reach = (dimension: Dimension, list: readonly string[] | undefined, usual: Reach): Reach =>
    list === undefined ? usual : toReach(list, dimension);
  const own = plugins.filter(({ creator }) => creator === username);
  return {
    actions: reach('actions', devicehive.actions, new Set(CLIENT_ACTIONS)),
    networks: reach('networks', devicehive.networks, new Set()),
    deviceTypes: reach('deviceTypes', devicehive.deviceTypes, '*'),
    topics: new Set(own.map(({ topic }) => topic)),
  };
}
