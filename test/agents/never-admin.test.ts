/** An application for agents that is admin of its resource: agents get tables of it, by name. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { codeOf, createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { type TestServer, tablesOf } from '../support/server.ts';
import { CALLBACK, RESOURCE, registered, startRegistration } from './registration-world.ts';

const ADMIN = { isAdmin: true, tables: {} };

describe('agents of an application that is admin', () => {
  let server: TestServer;
  before(async () => {
    server = await startRegistration({
      fixture({ organizations: [acme] }) {
        const template = acme.applications.find(({ name }: { name: string }) => name === 'agents');
        Object.assign(template, { permissions: ADMIN, default: ADMIN });
        acme.roles.push({ name: 'boss', permissions: ADMIN });
        acme.users.find(({ application }: { application?: string }) => application === 'agents').roles = [
          'boss',
        ];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  async function ask(parameters: Record<string, string>) {
    const { id } = await registered(server);
    const flow = createFlow(server);
    const asked = {
      scope: undefined,
      ...parameters,
      client_id: id,
      redirect_uri: CALLBACK,
      resource: RESOURCE,
    };
    const { url, pkce } = flow.request(asked);
    const landed = await flow.authorize(createBrowser(server.issuer), url);
    if (landed.searchParams.has('error')) return { error: landed.searchParams.get('error') };
    const { json } = await server.post('/oauth/token', undefined, {
      grant_type: 'authorization_code',
      code: codeOf(landed),
      code_verifier: pkce.verifier,
      redirect_uri: CALLBACK,
      client_id: id,
    });
    return json;
  }

  test('AZ-25 an agent is not admin when it asks for it', async () => {
    assert.deepEqual(await ask({ scope: '*:admin' }), { error: 'invalid_scope' });
    const admin = JSON.stringify([{ type: 'table_access', locations: [RESOURCE], privileges: ['admin'] }]);
    assert.deepEqual(await ask({ authorization_details: admin }), { error: 'invalid_authorization_details' });
  });

  test('admin beside a table is left out', async () => {
    const json = await ask({ scope: 'orders:read *:admin' });
    assert.equal(json.permissions.isAdmin, false);
    assert.deepEqual(tablesOf(json), { orders: 'r' });
  });

  test('admin as the default gives the tables of today', async () => {
    const json = await ask({});
    assert.equal(json.permissions.isAdmin, false);
    assert.equal(tablesOf(json).orders, 'crud');
    assert.equal('*' in tablesOf(json), false);
  });
});
