import type { FaceDeclaration } from '../declaration.ts';
import { findDeviceRights } from './device-rights.ts';
import { deviceRights, settings } from './settings.ts';

export const deviceHive: FaceDeclaration = {
  name: 'devicehive',
  title: 'DeviceHive',
  description: 'DeviceHive.',
  settings,
  ofUser: { description: 'Their rights over devices, for the face of DeviceHive.', schema: deviceRights },
  narrowing: ['plugins'],
  findDeviceRights,
  uses: ['derived logins'],
  demo: {
    settings: { application: 'login' },
    user: { networks: ['1'] },
    step: ({ issuer, password, pick }) =>
      `DeviceHive: ann logs in and makes a token that may only read the devices of her network.
DEVICE_TOKEN=$(curl -s ${issuer}/token -H 'Content-Type: application/json' -d '{"login":"ann","password":"${password}"}' | ${pick('accessToken')})
DEVICE_USER=$(echo $DEVICE_TOKEN | cut -d. -f2 | tr '_-' '/+' | base64 -d 2>/dev/null | sed -E 's/.*"u":([0-9]+).*/\\1/')
curl -sw '\\n' ${issuer}/token/create -H 'Content-Type: application/json' -H "Authorization: Bearer $DEVICE_TOKEN" -d '{"userId":'$DEVICE_USER',"actions":["GetDevice"]}'`,
  },
};
