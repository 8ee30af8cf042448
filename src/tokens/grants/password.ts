/**
 * RFC 6749 section 4.3: a user's name and password. RFC 9700 section 2.4 forbids it for new systems, so an application
 * must allow it, and accounts with a second factor cannot use it.
 */

import { requireText } from '../../clients/form.ts';
import { userSubject } from '../../directory/subjects.ts';
import { ProofRejected } from '../../errors/domain.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import type { Grant } from '../grant.ts';
import type { GrantParts } from './parts.ts';

/** Bytes; longer ones are refused before anything is computed. */
const MAX_FIELD_BYTES = 1024;

export function createPasswordGrant({ authenticateUser, now }: GrantParts): Grant {
  return {
    type: 'password',
    name: 'password',
    parameters: ['username', 'password'],
    ignoresOpenId: true,
    async prove({ parameters, client, address }) {
      const login = requireText(parameters, 'username');
      const password = requireText(parameters, 'password');
      if (Buffer.byteLength(login) > MAX_FIELD_BYTES)
        throw new ProofRejected({ reason: 'user name too long' });
      const { application, organization } = client;
      const user = await authenticateUser({
        realm: application.realm,
        login,
        password,
        address,
        queue: organization.id,
      });
      const isOfServer = organization.id === MANAGEMENT_ID;
      if (user.realm === 'management' && !isOfServer && !user.administers.includes(organization.id)) {
        throw new ProofRejected({ reason: 'administers other organizations' });
      }
      if (user.secondFactor) throw new ProofRejected({ reason: 'the account has a second factor' });
      return {
        subject: userSubject(user),
        user,
        authenticatedAt: now(),
        startsLogin: true,
      };
    },
  };
}
