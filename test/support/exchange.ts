/** Trading tokens (RFC 8693) with a started server. */
import assert from 'node:assert/strict';
import type { Connection } from '../../src/nouns/index.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { type StoredPermissions, toStored } from '../../src/permissions/stored.ts';
import { type Answer, PASSWORD, RESOURCE, type TestServer } from './server.ts';

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
export const CONNECTION = 'urn:grantable:token-type:connection';
export const AUTHOR = { actor: 'test' };

export function stored(json: object): StoredPermissions {
  return toStored(parsePermissions(json, { unknownFlags: 'refuse' }));
}

/** The form of an exchange. */
export function exchangeForm(subjectToken: string, form: Record<string, string> = {}) {
  return {
    grant_type: EXCHANGE,
    subject_token: subjectToken,
    subject_token_type: subjectToken.startsWith('gct_') ? CONNECTION : ACCESS_TOKEN,
    ...form,
  };
}

export interface Trader {
  exchange(client: string, subjectToken: string, form?: Record<string, string>): Promise<Answer>;
  /** An access token of a user of the application. */
  login(client: string, username: string): Promise<string>;
  /** A new connection of the application. */
  connect(client: string, rest: Partial<Connection>): Promise<{ connection: Connection; token: string }>;
}

export function createTrader(server: TestServer): Trader {
  let connections = 0;
  return {
    exchange: (client, subjectToken, form) =>
      server.post('/oauth/token', client, exchangeForm(subjectToken, form)),
    async login(client, username) {
      const form = { grant_type: 'password', username, password: PASSWORD };
      const { json } = await server.post('/oauth/token', client, form);
      assert.ok(json.access_token, JSON.stringify(json));
      return json.access_token;
    },
    async connect(client, rest) {
      const { foundations } = server.server;
      const application = await foundations.storage.directory.applications.findBy('clientId', client);
      assert.ok(application);
      connections += 1;
      return foundations.connections.create(
        {
          organization: application.organization,
          application: application.id,
          name: `connection-${connections}`,
          resource: RESOURCE,
          scopes: [],
          permissions: stored({ isAdmin: false, tables: {} }),
          ...rest,
        },
        AUTHOR,
      );
    },
  };
}
