/** RFC 6749 section 4.4: the application asks for itself. Its authentication was the proof. */

import { applicationSubject } from '../../directory/subjects.ts';
import { secretNode } from '../../registry/nodes.ts';
import { defined } from '../../storage/defined.ts';
import type { Grant } from '../grant.ts';

export const clientCredentials: Grant = {
  type: 'client_credentials',
  name: 'client_credentials',
  parameters: [],
  repeats: true,
  async prove({ client: { application, secret } }) {
    return defined({
      subject: applicationSubject(application),
      ancestors: secret && [secretNode(secret.id)],
      holdsFor: () => true,
    });
  },
};
