/** What somebody may do with devices: what the operator says of them, else as a new user of DeviceHive. */
import {
  ALL_DEVICE_ACCESS,
  type DeviceAccess,
  type Dimension,
  type Reach,
  toReach,
} from '../permissions/device-access.ts';
import { CLIENT_ACTIONS } from '../permissions/devicehive-actions.ts';
import type { User } from '../storage/nouns.ts';
import type { DirectoryView } from './directory.ts';

/** @param organization id: only there an administrator of it may do everything */
export async function findDeviceRights(
  view: Pick<DirectoryView, 'findOrganization'>,
  { administers, devicehive = {}, username }: User,
  organization: string,
): Promise<DeviceAccess> {
  if (administers.includes(organization)) return ALL_DEVICE_ACCESS;
  const reach = (dimension: Dimension, list: readonly string[] | undefined, usual: Reach): Reach =>
    list === undefined ? usual : toReach(list, dimension);
  const { plugins = [] } = (await view.findOrganization(organization))?.faces?.devicehive ?? {};
  const own = plugins.filter(({ creator }) => creator === username);
  return {
    actions: reach('actions', devicehive.actions, new Set(CLIENT_ACTIONS)),
    networks: reach('networks', devicehive.networks, new Set()),
    deviceTypes: reach('deviceTypes', devicehive.deviceTypes, '*'),
    topics: new Set(own.map(({ topic }) => topic)),
  };
}
