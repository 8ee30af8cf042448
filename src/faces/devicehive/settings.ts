/** What an apply file says of DeviceHive: of an organization, and of its users. */
import { z } from 'zod';
import type { FaceSettings } from '../../nouns/index.ts';
import { listOf, text, username, webSocketUrl } from '../../nouns/values.ts';
import { DIMENSIONS, type Dimension, isDeviceValue, toExtent } from '../../permissions/device-access.ts';
import { PermissionsError } from '../../permissions/errors.ts';
import { administrators, application, enabled, refreshTtl, ttl } from '../declaration.ts';

/** As tokens spell it: what cannot be had cannot be given either. */
const topic = text('text', (value) =>
  isDeviceValue(value) ? undefined : 'is not made of 1 to 128 letters, digits, dots and _ : @ / -',
);

const plugin = z.strictObject({
  topic: topic.describe('The topic that the plugin listens to.'),
  creator: username.describe(
    'Who may make tokens for it: the user name of a user of the application or, with `administrators`, of an administrator of the organization, whose names come first. The plugin goes when that user is removed.',
  ),
});

export const settings = z.strictObject({
  enabled,
  application,
  administrators,
  ttl: ttl.describe('Seconds that access tokens live; 1800 if never set.'),
  refreshTtl: refreshTtl.describe('Seconds that a login lasts; 182 days if never set.'),
  webSocketUrl: webSocketUrl
    .exactOptional()
    .describe('The address of the WebSocket service in `/info`; an address of this server if left out.'),
  plugins: listOf(plugin, ({ topic }) => topic)
    .exactOptional()
    .describe('Plugins, each with the topic that its tokens are for.'),
});

export type DeviceHiveSettings = FaceSettings & z.output<typeof settings>;

/** Read as tokens spell it, so that what cannot be had cannot be given either. */
const extent = (dimension: Dimension) =>
  z
    .array(z.string())
    .superRefine((list, context) => {
      try {
        toExtent(list, dimension);
      } catch (error) {
        if (!(error instanceof PermissionsError)) throw error;
        context.addIssue({ code: 'custom', message: `is not valid: ${error.message}` });
      }
    })
    .exactOptional();

const [actions, networks, deviceTypes] = DIMENSIONS;

export const deviceRights = z.strictObject({
  actions: extent(actions).describe(
    'Names of actions, or `*` alone for all, which makes an administrator of DeviceHive; the actions of a client if left out.',
  ),
  networks: extent(networks).describe('Ids of networks, or `*` alone; none if left out.'),
  deviceTypes: extent(deviceTypes).describe('Ids of device types, or `*` alone; all if left out.'),
});

export type DeviceRights = z.output<typeof deviceRights>;
