/** RFC 6749 section 4.4: the application asks for itself. Its authentication was the proof. */
import { applicationSubject } from '../directory/subjects.ts';
import type { Grant } from './contract.ts';

export const clientCredentials: Grant = {
  type: 'client_credentials',
  name: 'client_credentials',
  parameters: [],
  async prove({ client }) {
    return { subject: applicationSubject(client.application), startsLogin: false };
  },
};
