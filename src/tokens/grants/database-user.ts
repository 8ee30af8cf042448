/**
 * Grantable's own grant (RFC 6749 section 4.5) for people who live in a table of the operator's: only a tuple that is
 * registered can be named, and whatever is wrong is answered like a wrong password. RFC 9700 section 2.4 holds as for
 * the password grant: an application must allow it.
 */

import { requireText } from '../../clients/form.ts';
import type { Grant } from '../grant.ts';
import type { GrantParts } from './parts.ts';

export const DATABASE_USER = 'urn:grantable:grant-type:database-user';

export function createDatabaseUserGrant({ databaseLogins, now }: GrantParts): Grant {
  return {
    type: DATABASE_USER,
    name: 'database_user',
    parameters: [
      'instance',
      'database',
      'collection',
      'username_column',
      'password_column',
      'username',
      'password',
    ],
    async prove({ parameters, client, address, view }) {
      const account = await databaseLogins.authenticate({
        organization: client.organization.id,
        realm: client.application.realm,
        tuple: {
          instance: requireText(parameters, 'instance'),
          database: requireText(parameters, 'database'),
          collection: requireText(parameters, 'collection'),
          usernameColumn: requireText(parameters, 'username_column'),
          passwordColumn: requireText(parameters, 'password_column'),
        },
        username: requireText(parameters, 'username'),
        password: requireText(parameters, 'password'),
        address,
        view,
      });
      return {
        subject: account.subject,
        account,
        ancestors: account.nodes,
        authenticatedAt: now(),
        startsLogin: true,
      };
    },
  };
}
