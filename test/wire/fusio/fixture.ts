/** Beside `shop` there are an application that may not use what is shop's, and one that was switched off. */
import { acmeWith } from '../acme.ts';
import type { Fixtures } from '../stage.ts';

const settings = { application: 'shop', registration: true, userCredentials: true };

const applications = [
  { name: 'kiosk', clientId: 'kiosk', clientSecret: 'secret-of-kiosk-'.padEnd(40, 'x') },
  { name: 'closed', clientId: 'closed', clientSecret: 'secret-of-closed-'.padEnd(40, 'x'), enabled: false },
];

export const fixtures: Fixtures = {
  default: acmeWith({
    faces: { fusio: settings },
    facesOfOther: { fusio: { application: 'other-shop' } },
    applications,
  }),
  'nothing switched on': acmeWith({
    faces: { fusio: { application: 'shop', registration: false, userCredentials: false } },
  }),
  'few failures': acmeWith({ faces: { fusio: settings }, env: { GRANTABLE_ADDRESS_LIMIT: '2/2m' } }),
  'below a prefix': acmeWith({
    faces: { fusio: settings },
    env: { GRANTABLE_FACE_PREFIXES: 'fusio=/fusio' },
  }),
  'off for the organization': acmeWith({ faces: { fusio: { ...settings, enabled: false } } }),
};
