/** RFC 6749 section 4.4: the application asks for itself. Its authentication was the proof. */

import { applicationSubject } from '../../directory/subjects.ts';
import { credentialsNode } from '../../registry/nodes.ts';
import { defined } from '../../storage/defined.ts';
import type { Grant } from '../grant.ts';

export const clientCredentials: Grant = {
  type: 'client_credentials',
  name: 'client_credentials',
  parameters: [],
  repeats: true,
  async prove({ client: { application }, through }) {
    return defined({
      subject: applicationSubject(application),
      // Natively there is no login, and a token dies soon: an operator may change a secret without an interruption.
      ancestors: through && [credentialsNode(application.id)],
      startsLogin: false,
      holdsFor: async () => true,
    });
  },
};
