/** ann has networks and a device type, bob is as a new user of DeviceHive is, carl may do little, root everything. */
import { acmeWith } from '../acme.ts';
import type { Fixtures } from '../stage.ts';

const settings = {
  application: 'shop',
  administrators: true,
  webSocketUrl: 'ws://localhost:8080/dh/websocket',
  plugins: [{ topic: 'plugin_topic_x', creator: 'ann' }],
};

const users = {
  ann: { devicehive: { networks: ['4', '7'], deviceTypes: ['2'] } },
  carl: { devicehive: { actions: ['GetNetwork', 'ManageToken'] } },
};

const other = { devicehive: { application: 'other-shop' } };

export const fixtures: Fixtures = {
  default: acmeWith({ faces: { devicehive: settings }, facesOfOther: other, users }),
  'with Usergrid': acmeWith({
    faces: { devicehive: settings, usergrid: { administrators: true } },
    users,
  }),
  'no administrators': acmeWith({ faces: { devicehive: { ...settings, administrators: false } }, users }),
  'with Fusio': acmeWith({
    faces: { devicehive: settings, fusio: { application: 'shop', registration: true } },
    users,
  }),
  'few attempts': acmeWith({
    faces: { devicehive: settings },
    users,
    env: { GRANTABLE_ACCOUNT_LIMIT: '2/15m' },
  }),
  'below a prefix': acmeWith({
    faces: { devicehive: settings },
    users,
    env: { GRANTABLE_FACE_PREFIXES: 'devicehive=/hive' },
  }),
  'off for the organization': acmeWith({ faces: { devicehive: { ...settings, enabled: false } }, users }),
};
