/** The path names organization and application, so the face itself needs to know no application. */
import { acmeWith } from '../acme.ts';
import type { Fixtures } from '../stage.ts';

const settings = { administrators: true, registration: true, queryCredentials: true };

export const fixtures: Fixtures = {
  default: acmeWith({ faces: { usergrid: settings }, facesOfOther: { usergrid: settings } }),
  'nothing switched on': acmeWith({
    faces: { usergrid: { administrators: false, registration: false, queryCredentials: false } },
  }),
  'with Fusio': acmeWith({
    faces: { usergrid: settings, fusio: { application: 'shop', registration: true } },
  }),
  'below a prefix': acmeWith({
    faces: { usergrid: settings },
    env: { GRANTABLE_FACE_PREFIXES: 'usergrid=/grid' },
  }),
  'off for the organization': acmeWith({ faces: { usergrid: { ...settings, enabled: false } } }),
};
