/**
 * What a user may do with devices at this moment: what the operator says, else what a new user of DeviceHive may do. A token
 * may be from a time when the settings said otherwise.
 */
import type { Users } from '../../directory/users.ts';
import type { Organization, User } from '../../nouns/index.ts';
import {
  ALL_DEVICE_ACCESS,
  type DeviceAccess,
  type Dimension,
  isDeviceValue,
  NO_DEVICE_ACCESS,
  toExtent,
} from '../../permissions/device-access.ts';
import type { Extent } from '../../permissions/extent.ts';
import { CLIENT_ACTIONS } from './actions.ts';
import type { DeviceHiveSettings, DeviceRights } from './settings.ts';
import type { RefreshFacts } from './tokens.ts';

const settingsOf = ({ faces }: Organization) => faces?.devicehive as DeviceHiveSettings | undefined;

/** Administrators are of no organization, so who may come here is said by it and by them. */
export function isLetIn({ realm, administers }: User, organization: Organization): boolean {
  if (realm !== 'management') return true;
  return settingsOf(organization)?.administrators === true && administers.includes(organization.id);
}

/** A refresh token lasts for months, and names the user it was made for; that of a plugin names its topic only. */
export async function mayRefresh(
  { realm, user: number, topic }: RefreshFacts,
  organization: Organization,
  users: Pick<Users, 'find' | 'findNumber'>,
): Promise<boolean> {
  const plugin = settingsOf(organization)?.plugins?.find((known) => known.topic === topic);
  if (topic !== undefined && !plugin) return false;
  if (realm !== 'management') return true;
  const user = plugin
    ? await users.find(plugin.creator)
    : number !== undefined && (await users.findNumber(number));
  return user ? user.realm === realm && isLetIn(user, organization) : false;
}

/**
 * Administrators have no devices of their own: they may do everything where the organization lets them in, and nothing
 * elsewhere.
 */
export function findDeviceRights(user: User, organization: Organization | undefined): DeviceAccess {
  const { id, realm, administers, faces } = user;
  if (realm === 'management') {
    return organization && isLetIn(user, organization) ? ALL_DEVICE_ACCESS : NO_DEVICE_ACCESS;
  }
  if (organization && administers.includes(organization.id)) return ALL_DEVICE_ACCESS;
  const own: DeviceRights = faces?.devicehive ?? {};
  const extent = (dimension: Dimension, list: readonly string[] | undefined, usual: Extent): Extent =>
    list === undefined ? usual : toExtent(list, dimension);
  const { plugins = [] } = (organization && settingsOf(organization)) ?? {};
  const topics = plugins.filter(({ creator }) => creator === id).map(({ topic }) => topic);
  return {
    actions: extent('actions', own.actions, new Set(CLIENT_ACTIONS)),
    networks: extent('networks', own.networks, new Set()),
    deviceTypes: extent('deviceTypes', own.deviceTypes, '*'),
    // Stored settings may have topics that no token can name.
    topics: new Set(topics.filter(isDeviceValue)),
  };
}
